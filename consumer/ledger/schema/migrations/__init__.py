"""The schema's history, kept by Alembic: `migrate` brings a ledger up to date, at every start.

To change the schema:
1. Change `tables.py`, and with it whatever lists its columns (`rows.py`, dataclasses of the queries).
2. Add `versions/rNNNN_what_it_does.py`, the next number: `revision = "NNNN"`, `down_revision` = the one before, and an
   `upgrade()` of Alembic operations. It says what the schema is now and imports nothing of Lapse: later changes of
   `tables.py` must not change what it does. Whatever is altered goes through `op.batch_alter_table`, since SQLite
   cannot alter much; a new column of a table that has rows is nullable or has a `server_default`.
3. Run `tests/ledger/test_migrations.py`: it tells, for SQLite and PostgreSQL, where the migrated schema and `tables.py`
   differ. Where two changes have taken the same number, whoever lands later takes the next one.
There is no way back down: a backup is (see README).
"""

import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, inspect, select, text

from consumer.ledger.errors import LedgerRefused, NoLedger
from consumer.ledger.schema.tables import meta

_FOLDER = Path(__file__).parent
_NUMBERS = sorted(path.stem[1:5] for path in (_FOLDER / "versions").glob("r*.py"))
HEAD = _NUMBERS[-1]
"""The version that this Lapse works with."""

_ALONE = text("SELECT pg_advisory_xact_lock(hashtextextended('lapse: migrations', 0))")


@dataclass(frozen=True, slots=True)
class LedgerIdentity:
    """What a ledger says about itself."""

    version: str
    ledger_id: str
    hash_key: bytes


def migrate(connection: Connection) -> LedgerIdentity:
    """Take the steps that are missing, in this transaction; replicas that start at once take turns.

    Raises LedgerRefused if a newer Lapse was here, or one whose schema never was in a release.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_ALONE)
    if _version(connection) != HEAD:
        _adopt(connection)
        _alembic(connection, "upgrade")
    if connection.scalar(select(meta.c.value).where(meta.c.name == "ledger_id")) is None:
        born = {"ledger_id": str(uuid.uuid4()), "hash_key": secrets.token_hex(32)}
        connection.execute(meta.insert(), [{"name": name, "value": value} for name, value in born.items()])
    return check(connection)


def check(connection: Connection) -> LedgerIdentity:
    """The ledger's identity. Raises LedgerRefused unless its schema is the one of this version of Lapse."""
    version = _version(connection)
    if version is None and not inspect(connection).has_table(meta.name):
        raise NoLedger("there is no ledger in this database: the first `lapse run` makes one")
    if version != HEAD:
        raise LedgerRefused(
            f"the ledger's schema is at version {version or 'none'}, this Lapse works with {HEAD}:"
            " `lapse run` of this version brings it up to date"
        )
    rows = {row.name: row.value for row in connection.execute(select(meta.c.name, meta.c.value))}
    return LedgerIdentity(version, rows["ledger_id"], bytes.fromhex(rows["hash_key"]))


def _version(connection: Connection) -> str | None:
    """What Alembic has noted; None where it never was."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if version is not None and version not in _NUMBERS:
        raise LedgerRefused(
            f"a newer Lapse wrote this ledger (schema version {version}, this one works with {HEAD}):"
            " run that version or a later one on it"
        )
    return version


def _adopt(connection: Connection) -> None:
    """A ledger from before Alembic counted its own versions. It is taken over if it is what its number says."""
    if not inspect(connection).has_table(meta.name) or _version(connection) is not None:
        return
    number = connection.scalar(select(meta.c.value).where(meta.c.name == "schema_version")) or ""
    revision = number.zfill(4)
    if revision not in _NUMBERS or not _columns_at(revision).items() <= _columns(connection).items():
        raise LedgerRefused(
            "this ledger was made by a Lapse from before the first release, and its tables are no longer known:"
            " empty the database, or name another one in ledger.url"
        )
    _alembic(connection, "stamp", revision)
    connection.execute(meta.delete().where(meta.c.name == "schema_version"))


def _columns_at(revision: str) -> dict[str, frozenset[str]]:
    """What a ledger that has just been brought up to that revision looks like."""
    with create_engine("sqlite://").begin() as scratch:
        _alembic(scratch, "upgrade", revision)
        return _columns(scratch)


def _columns(connection: Connection) -> dict[str, frozenset[str]]:
    """The columns of each table but Alembic's own."""
    seen = inspect(connection)
    tables = set(seen.get_table_names()) - {"alembic_version"}
    return {table: frozenset(column["name"] for column in seen.get_columns(table)) for table in tables}


def _alembic(connection: Connection, command: str, revision: str = "head") -> None:
    from alembic import command as commands  # a quarter of a second to import: only where there is something to do
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    getattr(commands, command)(config, revision)
