"""The schema's history: numbered revisions that end where the tables are, in both databases."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, create_engine, inspect, table, text
from sqlalchemy.exc import DatabaseError

from consumer.deliver.recipients.identity import phone_hash
from consumer.ledger.errors import LedgerRefused
from consumer.ledger.schema import migrations
from consumer.ledger.schema.tables import metadata
from consumer.ledger.store import Ledger

from . import databases

FOLDER = Path(migrations.__file__).parent


def run(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def later_revisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a later Lapse would put its next revisions."""
    folder = tmp_path / "migrations"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(migrations, "_FOLDER", folder)
    return folder / "versions"


def add(versions: Path, number: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = f"revision, down_revision = {number!r}, {migrations.HEAD!r}"
    step = f"from alembic import op\n{names}\ndef upgrade():\n    {what}\n"
    (versions / f"r{number}_more.py").write_text(step)
    monkeypatch.setattr(migrations, "_NUMBERS", [*migrations._NUMBERS, number])
    monkeypatch.setattr(migrations, "HEAD", number)


def test_revisions_follow_each_other_in_the_order_of_their_files() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("recursive_version_locations", "true")
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    assert [script.revision for script in reversed(scripts)] == migrations._NUMBERS
    for script in scripts:
        assert re.fullmatch(rf"r{script.revision}_[a-z_]+", Path(script.path).stem)


def test_migrations_make_the_described_schema(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    with ledger.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, metadata)
        migrated = indexes(connection)
    ledger.close()
    engine = create_engine(databases.emptied(ledger_url) if "postgresql" in ledger_url else "sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        described = indexes(connection)
    engine.dispose()
    assert differences == []
    assert migrated == described


def indexes(connection: Connection) -> dict[str, tuple[list[str | None], str]]:
    """The columns and the condition of every index, by its name."""
    found = {}
    for name in metadata.tables:
        for index in inspect(connection).get_indexes(name):
            options = index.get("dialect_options", {})
            where = str(options.get(f"{connection.dialect.name}_where", "")).replace('"', "")
            found[str(index["name"])] = (index["column_names"], where)
    return found


def test_replicas_that_start_at_once_make_one_ledger(postgresql: str) -> None:
    run(postgresql, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    with ThreadPoolExecutor(4) as pool:
        ledgers = list(pool.map(Ledger, [postgresql] * 4))
    assert len({ledger.id for ledger in ledgers}) == 1
    for ledger in ledgers:
        ledger.close()


def test_a_ledger_of_a_newer_version_is_refused(ledger_url: str) -> None:
    Ledger(ledger_url).close()
    run(ledger_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerRefused, match=r"a newer Lapse wrote this ledger \(schema version 9999.*run that version"):
        Ledger(ledger_url)
    with pytest.raises(LedgerRefused, match="a newer Lapse"):
        Ledger(ledger_url, read_only=True)


def test_an_older_ledger_is_migrated_and_keeps_its_identity(
    ledger_url: str, later_revisions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Ledger(ledger_url)
    old.close()
    add(later_revisions, "9998", 'op.execute("CREATE TABLE added (x INTEGER)")', monkeypatch)
    with pytest.raises(LedgerRefused, match="works with 9998: `lapse run` of this version brings it up to date"):
        Ledger(ledger_url, read_only=True)
    Ledger(ledger_url).close()
    again = Ledger(ledger_url)  # (which would fail, were the table made a second time)
    again.close()
    assert again.id == old.id


def test_a_migration_that_fails_changes_nothing(
    ledger_url: str, later_revisions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger(ledger_url).close()
    with monkeypatch.context() as later:
        add(later_revisions, "9998", 'op.execute("CREATE TABLE added (x INTEGER)")', later)
        add(later_revisions, "9999", 'op.execute("SELECT no_such_column FROM added")', later)
        with pytest.raises(DatabaseError):
            Ledger(ledger_url)
    ledger = Ledger(ledger_url)
    with ledger.reading() as connection:
        assert "added" not in inspect(connection).get_table_names()
    ledger.close()


def from_before_alembic(url: str, version: int) -> None:
    """Make a ledger as `lapse run` did before Alembic counted its versions."""
    engine = create_engine(url)
    with engine.begin() as connection:
        migrations._alembic(connection, "upgrade", f"{version:04}")
    engine.dispose()
    noted = f"('schema_version', '{version}'), ('ledger_id', 'the old one'), ('hash_key', 'aabb')"
    run(url, "DROP TABLE alembic_version", f"INSERT INTO meta VALUES {noted}", "INSERT INTO clocks VALUES (3, 99)")


@pytest.mark.parametrize("version", [1, 2])
def test_a_ledger_from_before_alembic_is_adopted_with_its_rows(ledger_url: str, version: int) -> None:
    from_before_alembic(ledger_url, version)
    with pytest.raises(LedgerRefused, match="version none"):
        Ledger(ledger_url, read_only=True)
    ledger = Ledger(ledger_url)
    assert ledger.id == "the old one"
    with ledger.reading() as connection:
        assert connection.execute(text("SELECT partition, watermark FROM watermarks")).all() == [(3, 99)]
        assert connection.scalar(text("SELECT count(*) FROM meta")) == 2
    ledger.close()


AT_0007: dict[str, dict[str, object]] = {
    "clocks": {"partition": 3, "clock": 99},
    "paces": {"medium": "whatsapp", "counted_from": 7_000, "held_until": 8},
    "turns": {"name": "publish", "holder": "one", "until": 9},
    "channels": {"name": "whatsapp", "stops": 2, "silences": 4},
    "reminders": {
        "reminder_id": "r", "medium": "whatsapp", "user_id": "maria", "process": "checkout", "step": 0,
        "last_seen": 1, "occurred_at": 2, "partition": 3, "status": "accepted", "polls": 0, "sequence": 1,
        "attempts": 1, "refusals": 5, "quiet_from": 6, "created_at": 3, "updated_at": 4,
    },
    "attempts": {
        "reminder_id": "r", "medium": "whatsapp", "number": 1, "user_id": "maria", "process": "checkout", "step": 0,
        "started_at": 3, "outcome": "accepted", "may_have_gone": True,
    },
}  # fmt: skip
RENAMED = {"refusals": "counted_attempts", "quiet_from": "quiet_since", "may_have_gone": "may_have_been_sent"}
RENAMED_IN_0008: dict[str, tuple[object, ...]] = {
    "SELECT partition, watermark FROM watermarks": (3, 99),
    "SELECT medium, used_until_us, held_until FROM rate_limits": ("whatsapp", 7_000, 8),
    "SELECT name, holder, until FROM leases": ("publish", "one", 9),
    "SELECT stops, unclear_attempts FROM channels": (2, 4),
    "SELECT user_id, counted_attempts, quiet_since FROM reminders": ("maria", 5, 6),
    "SELECT number, may_have_been_sent FROM attempts": (1, True),
}


def test_what_revision_0008_renames_keeps_its_values(ledger_url: str) -> None:
    engine = create_engine(ledger_url)
    with engine.begin() as connection:
        migrations._alembic(connection, "upgrade", "0007")
        for name, row in AT_0007.items():
            connection.execute(table(name, *(column(each) for each in row)).insert(), row)
    engine.dispose()
    ledger = Ledger(ledger_url)
    with ledger.reading() as connection:
        found = {query: tuple(connection.execute(text(query)).one()) for query in RENAMED_IN_0008}
        names = set(inspect(connection).get_table_names())
    ledger.close()
    assert found == RENAMED_IN_0008
    assert names == set(metadata.tables) | {"alembic_version"}


@pytest.mark.parametrize(
    "phone", ["34612345678", "5531987654321", "553187654321", "5215512345678", "5491112345678", "4402071234567", "1234"]
)
def test_revision_0010_hashes_phones_as_they_are_hashed_now(ledger_url: str, phone: str) -> None:
    engine = create_engine(ledger_url)
    with engine.begin() as connection:
        migrations._alembic(connection, "upgrade", "0009")
        connection.execute(text("INSERT INTO meta VALUES ('ledger_id', 'the old one'), ('hash_key', 'aabb')"))
        for name in ("reminders", "attempts"):
            values = {RENAMED.get(key, key): value for key, value in AT_0007[name].items()} | {"phone": phone}
            connection.execute(table(name, *(column(each) for each in values)).insert(), values)
    engine.dispose()
    ledger = Ledger(ledger_url)
    with ledger.reading() as connection:
        assert connection.scalar(text("SELECT phone_hash FROM attempts")) == phone_hash(phone, ledger.hash_key)
    ledger.close()


def test_a_ledger_from_before_alembic_with_other_tables_is_refused(ledger_url: str) -> None:
    from_before_alembic(ledger_url, 2)
    run(ledger_url, "ALTER TABLE contacts DROP COLUMN locale")
    with pytest.raises(LedgerRefused, match="from before the first release"):
        Ledger(ledger_url)
    engine = create_engine(ledger_url)
    with engine.connect() as connection:
        assert "alembic_version" not in inspect(connection).get_table_names()
    engine.dispose()
