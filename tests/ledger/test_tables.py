"""One set of tables for two databases."""

from dataclasses import fields

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from consumer.ledger.queries.outbox import Transition
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.schema.tables import metadata, outbox, reminders

TIMERS = ("due_at", "lease_until", "unknown_since", "quiet_since")
SQLITE, POSTGRESQL = sqlite.dialect(), postgresql.dialect()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=["sqlite", "postgresql"])
def test_every_table_and_index_can_be_made_in_both_databases(dialect: Dialect) -> None:
    made = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.tables.values()]
    indexes = [index for table in metadata.tables.values() for index in table.indexes]
    partial = [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    assert len(made) == len(metadata.tables)
    assert sum("WHERE due_at IS NOT NULL" in each for each in partial) == 3
    assert sum("WHERE published IS" in each for each in partial) == 2


def test_ids_that_count_up_are_large_enough_where_the_database_has_sizes() -> None:
    assert "id BIGSERIAL NOT NULL" in str(CreateTable(outbox).compile(dialect=POSTGRESQL))
    assert "id INTEGER NOT NULL" in str(CreateTable(outbox).compile(dialect=SQLITE))


def test_rows_have_every_column_and_no_other() -> None:
    assert set(ReminderRow._fields) == set(reminders.c.keys())
    assert {field.name for field in fields(Transition)} == set(outbox.c.keys()) - {"published"}


def test_each_moment_a_reminder_can_wait_for_has_an_index_of_its_own() -> None:
    led = {tuple(index.columns.keys()) for index in reminders.indexes}
    assert {(timer,) for timer in TIMERS} <= led
