"""The two databases that a ledger may be in, for tests that hold for both."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from consumer.ledger.store import Ledger

from .postgresql import NoPostgres, running


def server(environ: Mapping[str, str] = os.environ) -> Iterator[str]:
    """The address of a PostgreSQL. Skips the test without one, saying why; fails it in CI."""
    try:
        with running() as url:
            yield url
    except NoPostgres as reason:
        if environ.get("CI") == "true":
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))


def emptied(url: str) -> str:
    """The same address; nothing is left in the database."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url


def empty(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """The URL of an empty ledger of that kind; PostgreSQL is started for whoever asks for it first."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'lapse.db'}"
    return emptied(request.getfixturevalue("postgresql"))


def somebody_waits(ledger: Ledger) -> bool:
    """Whether somebody waits for a lock of this PostgreSQL."""
    with ledger.reading() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
