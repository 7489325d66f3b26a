"""The two databases that a ledger may be in, for tests that hold for both."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from consumer.ledger.store import Ledger


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
    """Whether somebody waits for a lock of this database; its server has others, of tests that run at the same time."""
    waiting = """
        SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND datname = current_database()
    """
    with ledger.reading() as connection:
        return bool(connection.scalar(text(waiting)))
