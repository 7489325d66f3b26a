"""What several queries build their statements with.

A statement that runs for each reminder is built once: building one takes several times as long as SQLite runs it.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import BindParameter, Connection, Integer, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.schema import Table

_MAX_VALUES = 500
"""Values in one IN list; SQLite and PostgreSQL both take more."""

LIMIT = bindparam("limit", type_=Integer)
"""How many rows a statement that is built once returns at most."""
SOME: BindParameter[Any] = bindparam("some", expanding=True)
"""The values of its IN list: one of `chunks`."""

T = TypeVar("T")


def chunks(items: Collection[T]) -> Iterable[Sequence[T]]:
    """Split the items into pieces that fit into one statement."""
    listed = list(items)
    return (listed[start : start + _MAX_VALUES] for start in range(0, len(listed), _MAX_VALUES))


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT of this database's dialect, which can say what to do about a conflict."""
    return upsert_of(connection.dialect.name, table)


def upsert_of(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the same by the dialect's name, by which a statement can be kept."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
