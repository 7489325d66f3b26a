"""The schema's history, kept by Alembic: `migrate` brings a ledger up to date, at every start.

To change the schema:
1. Change `tables.py` or its neighbours, and with it whatever lists the columns (`rows.py`, dataclasses of the queries).
2. Add `versions/rNN/rNNNN_what_it_does.py`, the next number, ten to a folder: `revision = "NNNN"`, `down_revision` =
   the one before, and an `upgrade()` of Alembic operations. It imports nothing of Lapse, because later changes of
   `tables.py` must not change what it does. SQLite can rename a column; any other change of one goes through
   `op.batch_alter_table`. A new column of a table that has rows is nullable or has a `server_default`.
3. Run `tests/ledger/test_migrations.py`: it shows, for SQLite and PostgreSQL, where the migrated schema and the tables
   differ. Where two changes have taken the same number, whoever lands later takes the next one.
There are no downgrades: restore a backup (deploy/RUNBOOK.md has the steps).
"""

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, create_engine, inspect, select, text

from consumer.ledger.errors import LedgerRefused, NoLedger
from consumer.ledger.schema.tables import meta

_FOLDER = Path(__file__).parent
_NUMBERS = sorted(path.stem[1:5] for path in (_FOLDER / "versions").rglob("r*.py"))
HEAD = _NUMBERS[-1]
"""The version that this Lapse works with."""

_WITHOUT_TIMEOUTS = ("SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = 0")
"""To make an index of a large table takes its time."""
_READ_VERSION = text("SELECT version_num FROM alembic_version")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('lapse: migrations', 0))")


@dataclass(frozen=True, slots=True)
class LedgerIdentity:
    """The version of a ledger's schema, its id, and the key that hashes phone numbers.

    `version_before` is the one that was found; None where there were no tables.
    """

    version: str
    version_before: str | None
    ledger_id: str
    hash_key: bytes | None
    """None if it is kept outside, and was not given."""


def migrate(connection: Connection, hash_key: bytes | None = None) -> LedgerIdentity:
    """Apply the revisions that are missing, in this transaction; replicas that start at once take turns.

    With `hash_key` a new ledger gets no key of its own, and one that has the same loses it.

    Raises LedgerRefused if a newer Lapse was here, or one whose schema was never in a release.
    """
    if connection.dialect.name == "postgresql":
        for setting in _WITHOUT_TIMEOUTS:
            connection.execute(text(setting))
        connection.execute(_LOCK)
    before = _version(connection)
    if before != HEAD:
        _adopt(connection)
        _alembic(connection, "upgrade")
    if connection.scalar(select(meta.c.value).where(meta.c.name == "ledger_id")) is None:
        key = {"hash_key": secrets.token_hex(32)} if hash_key is None else {"hash_key_check": _check_of(hash_key)}
        _insert_meta(connection, {"ledger_id": str(uuid.uuid4()), **key})
    found = check(connection, hash_key)
    if hash_key is not None and connection.execute(meta.delete().where(meta.c.name == "hash_key")).rowcount:
        _insert_meta(connection, {"hash_key_check": _check_of(hash_key)})  # the key itself is kept outside from now on
    return replace(found, version_before=before)


def check(connection: Connection, hash_key: bytes | None = None) -> LedgerIdentity:
    """Return the ledger's identity.

    Raises LedgerRefused unless its schema is the one of this version of Lapse, and `hash_key`, if given, its key.
    """
    version = _version(connection)
    if version is None and not inspect(connection).has_table(meta.name):
        raise NoLedger("there is no ledger in this database yet: the first `lapse run` makes it")
    if version != HEAD:
        raise LedgerRefused(
            f"the ledger's schema is at version {version or 'none'}, this Lapse works with {HEAD}:"
            " `lapse run` of this version brings it up to date"
        )
    rows = {row.name: row.value for row in connection.execute(select(meta.c.name, meta.c.value))}
    own = bytes.fromhex(rows["hash_key"]) if "hash_key" in rows else None
    if hash_key is not None and not hmac.compare_digest(
        _check_of(hash_key), _check_of(own) if own else rows["hash_key_check"]
    ):
        right = "what `lapse ledger key` prints" if own else "the one that it was before"
        raise LedgerRefused(
            "ledger.hash_key is not the key by which this ledger knows phone numbers, so those that opted out would be"
            f" forgotten: set {right}"
        )
    return LedgerIdentity(version, version, rows["ledger_id"], hash_key or own)


def known_version(connection: Connection) -> str | None:
    """Return the revision that Alembic has noted in its table. Raises LedgerRefused if a newer Lapse noted it.

    It takes no lock: a migration, which changes this row last, would else wait for a transaction that waits for it.
    """
    version: str | None = connection.scalar(_READ_VERSION)
    if version is not None and version not in _NUMBERS:
        raise LedgerRefused(
            f"a newer Lapse wrote this ledger (schema version {version}, this one works with {HEAD}):"
            " run that version or a later one on it"
        )
    return version


def _check_of(hash_key: bytes) -> str:
    """Return what a key is recognised by, and cannot be found from."""
    return hmac.digest(hash_key, b"the key of this ledger", hashlib.sha256).hex()


def _insert_meta(connection: Connection, values: Mapping[str, str]) -> None:
    connection.execute(meta.insert(), [{"name": name, "value": value} for name, value in values.items()])


def _version(connection: Connection) -> str | None:
    """Return the revision that Alembic has noted; None where it was never at work."""
    return known_version(connection) if inspect(connection).has_table("alembic_version") else None


def _adopt(connection: Connection) -> None:
    """Hand a ledger that counted its own versions over to Alembic, if its tables are those of its number."""
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
    """Return the columns of a ledger at that revision, by table."""
    with create_engine("sqlite://").begin() as scratch:
        _alembic(scratch, "upgrade", revision)
        return _columns(scratch)


def _columns(connection: Connection) -> dict[str, frozenset[str]]:
    """Return the columns of each table except Alembic's own."""
    seen = inspect(connection)
    tables = set(seen.get_table_names()) - {"alembic_version"}
    return {table: frozenset(column["name"] for column in seen.get_columns(table)) for table in tables}


def _alembic(connection: Connection, command: str, revision: str = "head") -> None:
    from alembic import command as commands  # a quarter of a second to import: only where there is something to do
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("recursive_version_locations", "true")
    getattr(commands, command)(config, revision)
