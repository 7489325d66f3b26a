"""The schema's history: numbered steps, of which a ledger remembers how many it has taken."""

import secrets
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, inspect, select

from consumer.ledger import tables
from consumer.ledger.refused import LedgerRefused
from consumer.ledger.tables import meta, metadata

Step = Callable[[Connection], None]


def _begin(connection: Connection) -> None:
    """Version 1: all tables, and an identity."""
    metadata.create_all(connection)
    born = {"ledger_id": str(uuid.uuid4()), "hash_key": secrets.token_hex(32)}
    connection.execute(meta.insert(), [{"name": name, "value": value} for name, value in born.items()])


def _echoes_and_holds(connection: Connection) -> None:
    """Version 2: our messages as others saw them, and verdicts about recipients. (A new ledger has them already.)"""
    for table in (tables.echoes, tables.holds):
        table.create(connection, checkfirst=True)
    for index in tables.attempts.indexes:
        index.create(connection, checkfirst=True)


STEPS: Sequence[Step] = (_begin, _echoes_and_holds)
"""Step N leads to version N."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a ledger says about itself."""

    version: int
    ledger_id: str
    hash_key: bytes


def migrate(connection: Connection) -> Found:
    """Take the steps that are missing, in this transaction. Raises LedgerRefused if a newer Lapse was here."""
    version = _version(connection)
    for step in STEPS[version:]:
        step(connection)
    if version < len(STEPS):
        connection.execute(meta.delete().where(meta.c.name == "schema_version"))
        connection.execute(meta.insert(), {"name": "schema_version", "value": str(len(STEPS))})
    return check(connection)


def check(connection: Connection) -> Found:
    """The ledger's identity. Raises LedgerRefused unless its schema is the one of this version of Lapse."""
    version = _version(connection)
    if version != len(STEPS):
        raise LedgerRefused(
            f"the ledger's schema is at version {version}, this Lapse knows {len(STEPS)}:"
            " start `lapse run` of this version on it once"
        )
    rows = {row.name: row.value for row in connection.execute(select(meta.c.name, meta.c.value))}
    return Found(version, rows["ledger_id"], bytes.fromhex(rows["hash_key"]))


def _version(connection: Connection) -> int:
    if not inspect(connection).has_table(meta.name):
        return 0
    version = int(connection.scalar(select(meta.c.value).where(meta.c.name == "schema_version")) or 0)
    if version > len(STEPS):
        raise LedgerRefused(
            f"a newer Lapse wrote this ledger (schema version {version}, this one knows {len(STEPS)}): update Lapse"
        )
    return version
