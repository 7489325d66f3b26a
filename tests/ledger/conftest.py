"""Open ledgers: `ledger` on both databases, `sqlite_ledger` and `postgresql_ledger` for what is about one alone."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from consumer.ledger.store import Ledger

from . import databases


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with closing(Ledger(ledger_url)) as ledger:
        yield ledger


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'lapse.db'}"


@pytest.fixture
def sqlite_ledger(sqlite_url: str) -> Iterator[Ledger]:
    with closing(Ledger(sqlite_url)) as ledger:
        yield ledger


@pytest.fixture
def postgresql_url(postgresql: str) -> str:
    return databases.emptied(postgresql)


@pytest.fixture
def postgresql_ledger(postgresql_url: str) -> Iterator[Ledger]:
    with closing(Ledger(postgresql_url)) as ledger:
        yield ledger
