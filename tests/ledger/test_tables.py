"""One set of tables for two databases."""

from dataclasses import fields

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from consumer.ledger.queries.outbox import Transition
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.schema.tables import AWAITED, metadata, outbox, reminders

SQLITE, POSTGRESQL = sqlite.dialect(), postgresql.dialect()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=["sqlite", "postgresql"])
def test_every_table_and_index_compiles_for_both_databases(dialect: Dialect) -> None:
    for table in metadata.tables.values():
        assert str(CreateTable(table).compile(dialect=dialect))
    indexes = [index for table in metadata.tables.values() for index in table.indexes]
    created = [str(CreateIndex(index).compile(dialect=dialect)) for index in indexes]
    assert sum("WHERE due_at IS NOT NULL" in each for each in created) == 3
    assert sum("WHERE published IS" in each for each in created) == 2


def test_counted_ids_are_64_bits_wide() -> None:
    assert "id BIGSERIAL NOT NULL" in str(CreateTable(outbox).compile(dialect=POSTGRESQL))
    assert "id INTEGER NOT NULL" in str(CreateTable(outbox).compile(dialect=SQLITE))


def test_rows_have_exactly_the_columns() -> None:
    assert set(ReminderRow._fields) == set(reminders.c.keys())
    assert {field.name for field in fields(Transition)} == set(outbox.c.keys()) - {"published", "refused_because"}


def test_each_awaited_moment_has_an_index() -> None:
    indexed = {tuple(index.columns) for index in reminders.indexes}
    assert {(moment,) for moment in AWAITED} <= indexed
