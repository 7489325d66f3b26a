"""What several queries build their statements with."""

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.schema import Table

_MAX_VALUES = 500
"""Values in one IN list; SQLite and PostgreSQL both take more."""

T = TypeVar("T")


def chunks(items: Collection[T]) -> Iterable[Sequence[T]]:
    """Split the items into pieces that fit into one statement."""
    listed = list(items)
    return (listed[start : start + _MAX_VALUES] for start in range(0, len(listed), _MAX_VALUES))


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT of this database's dialect, which can say what to do about a conflict."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
