"""The schema's history: one line of numbered steps, that ends where `tables.py` is, in both databases."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DatabaseError

from consumer.ledger.errors import LedgerRefused
from consumer.ledger.schema import migrations
from consumer.ledger.schema.tables import metadata
from consumer.ledger.store import Ledger

FOLDER = Path(migrations.__file__).parent


def run(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@pytest.fixture
def more_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a later Lapse would put its next steps."""
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


def test_the_steps_are_one_line_in_the_order_of_their_files() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    scripts = list(ScriptDirectory.from_config(config).walk_revisions())
    assert [script.revision for script in reversed(scripts)] == migrations._NUMBERS
    for script in scripts:
        assert re.fullmatch(rf"r{script.revision}_[a-z_]+", Path(script.path).stem)


def test_a_new_ledger_has_the_schema_that_the_tables_describe(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    with ledger.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        differences = compare_metadata(context, metadata)
        partial = {
            (table, index["name"])
            for table in metadata.tables
            for index in inspect(connection).get_indexes(table)
            if any(key.endswith("_where") for key in index.get("dialect_options", {}))
        }
    ledger.close()
    assert differences == []
    meant = {(t.name, i.name) for t in metadata.tables.values() for i in t.indexes if i.dialect_kwargs}
    assert partial == meant


def test_replicas_that_start_at_once_make_one_ledger(postgresql: str) -> None:
    run(postgresql, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    with ThreadPoolExecutor(4) as pool:
        ledgers = list(pool.map(Ledger, [postgresql] * 4))
    assert len({ledger.id for ledger in ledgers}) == 1
    for ledger in ledgers:
        ledger.close()


def test_what_a_newer_lapse_wrote_is_left_alone_and_says_what_to_do(ledger_url: str) -> None:
    Ledger(ledger_url).close()
    run(ledger_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerRefused, match=r"a newer Lapse wrote this ledger \(schema version 9999.*run that version"):
        Ledger(ledger_url)
    with pytest.raises(LedgerRefused, match="a newer Lapse"):
        Ledger(ledger_url, read_only=True)


def test_an_older_ledger_takes_the_steps_it_lacks_and_keeps_its_identity(
    ledger_url: str, more_steps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Ledger(ledger_url)
    old.close()
    add(more_steps, "9998", 'op.execute("CREATE TABLE added (x INTEGER)")', monkeypatch)
    with pytest.raises(LedgerRefused, match="works with 9998: `lapse run` of this version brings it up to date"):
        Ledger(ledger_url, read_only=True)
    Ledger(ledger_url).close()
    again = Ledger(ledger_url)  # (which would fail, were the table made a second time)
    again.close()
    assert again.id == old.id


def test_a_step_that_fails_leaves_the_ledger_as_it_was(
    ledger_url: str, more_steps: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger(ledger_url).close()
    with monkeypatch.context() as later:
        add(more_steps, "9998", 'op.execute("CREATE TABLE added (x INTEGER)")', later)
        add(more_steps, "9999", 'op.execute("SELECT no_such_column FROM added")', later)
        with pytest.raises(DatabaseError):
            Ledger(ledger_url)
    ledger = Ledger(ledger_url)
    with ledger.reading() as connection:
        assert "added" not in inspect(connection).get_table_names()
    ledger.close()


def from_before_alembic(url: str, version: int) -> None:
    """As `lapse run` made one before there was a release."""
    engine = create_engine(url)
    with engine.begin() as connection:
        migrations._alembic(connection, "upgrade", f"{version:04}")
    engine.dispose()
    noted = f"('schema_version', '{version}'), ('ledger_id', 'the old one'), ('hash_key', 'aabb')"
    run(url, "DROP TABLE alembic_version", f"INSERT INTO meta VALUES {noted}", "INSERT INTO clocks VALUES (3, 99)")


@pytest.mark.parametrize("version", [1, 2])
def test_a_ledger_from_before_alembic_is_taken_over_with_all_that_is_in_it(ledger_url: str, version: int) -> None:
    from_before_alembic(ledger_url, version)
    with pytest.raises(LedgerRefused, match="version none"):
        Ledger(ledger_url, read_only=True)
    ledger = Ledger(ledger_url)
    assert ledger.id == "the old one"
    with ledger.reading() as connection:
        assert connection.execute(text("SELECT * FROM clocks")).all() == [(3, 99)]
        assert connection.scalar(text("SELECT count(*) FROM meta")) == 2
    ledger.close()


def test_one_whose_tables_are_not_what_its_number_says_is_refused_whole(ledger_url: str) -> None:
    from_before_alembic(ledger_url, 2)
    run(ledger_url, "ALTER TABLE contacts DROP COLUMN locale")
    with pytest.raises(LedgerRefused, match="from before the first release"):
        Ledger(ledger_url)
    engine = create_engine(ledger_url)
    with engine.connect() as connection:
        assert "alembic_version" not in inspect(connection).get_table_names()
    engine.dispose()
