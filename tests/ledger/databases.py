"""The two databases that a ledger may be in, for tests that hold for both."""

import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from consumer.ledger.store import Ledger

_SHAPE = """
    SELECT md5(string_agg(concat_ws(' ', oid, relname, relhastriggers, attname), ',' ORDER BY oid, attnum))
    FROM pg_class JOIN pg_attribute ON attrelid = oid WHERE relnamespace = 'public'::regnamespace
"""
_SHAPE_AS_MADE = "SELECT obj_description('public'::regnamespace)"
_USED = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    AND relname != 'alembic_version' AND pg_relation_size(oid) > 0
"""


def emptied(url: str) -> str:
    """The same address; nothing is left in the database."""
    with _engine(url).begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    return url


def empty(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database of that kind; PostgreSQL is started for whoever asks for it first."""
    if kind == "sqlite":
        return f"sqlite:///{folder / 'lapse.db'}"
    return emptied(request.getfixturevalue("postgresql"))


def unused(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """The URL of a ledger with all its tables, in which nothing has been written; its first start names it.

    To the code that is as good as an empty database, and takes a tenth of the time, which goes into making tables.
    """
    return unused_sqlite(folder) if kind == "sqlite" else _unused_postgresql(request.getfixturevalue("postgresql"))


def unused_sqlite(folder: Path) -> str:
    """As `unused`; the ledger that is there, if one is."""
    file = folder / "lapse.db"
    if not file.exists():
        file.write_bytes(_sqlite_file())
    return f"sqlite:///{file}"


def somebody_waits(ledger: Ledger) -> bool:
    """Whether somebody waits for a lock of this database; its server has others, of tests that run at the same time."""
    waiting = """
        SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND datname = current_database()
    """
    with ledger.reading() as connection:
        return bool(connection.scalar(text(waiting)))


@cache
def _sqlite_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "lapse.db")
        Ledger(f"sqlite:///{file}").close()
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("DELETE FROM meta")
        return file.read_bytes()


def _unused_postgresql(url: str) -> str:
    engine = _engine(url)
    with engine.connect() as connection:
        # A test may have dropped or renamed a table, or the whole schema, which takes this comment on it along.
        as_made = connection.scalar(text(_SHAPE)) == connection.scalar(text(_SHAPE_AS_MADE))
    if not as_made:
        Ledger(emptied(url)).close()
        with engine.begin() as connection:
            connection.execute(text(f"COMMENT ON SCHEMA public IS '{connection.scalar(text(_SHAPE))}'"))
    with engine.begin() as connection:
        # Rows that are only deleted would leave holes, and later ones lie in another order than in a new table.
        if used := connection.scalars(text(_USED)).all():
            connection.execute(text(f"TRUNCATE {', '.join(used)} RESTART IDENTITY CASCADE"))
    return url


@cache
def _engine(url: str) -> Engine:
    return create_engine(url)
