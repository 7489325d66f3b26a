"""A ledger of an older version is brought up to date where it stands."""

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from consumer.ledger import migrations
from consumer.ledger.tables import metadata


@pytest.fixture
def old() -> Connection:
    """A ledger as version 1 left it."""
    connection = create_engine("sqlite://").connect()
    migrations.migrate(connection)
    for table in ("echoes", "holds"):
        connection.execute(text(f"DROP TABLE {table}"))
    connection.execute(text("DROP INDEX ix_attempts_without_id"))
    connection.execute(text("UPDATE meta SET value = '1' WHERE name = 'schema_version'"))
    return connection


def test_a_ledger_of_version_one_gets_what_came_later_and_stays_itself(old: Connection) -> None:
    identity = old.scalar(text("SELECT value FROM meta WHERE name = 'ledger_id'"))
    found = migrations.migrate(old)
    assert (found.version, found.ledger_id) == (len(migrations.STEPS), identity)
    assert set(inspect(old).get_table_names()) == set(metadata.tables)
    assert "ix_attempts_without_id" in {index["name"] for index in inspect(old).get_indexes("attempts")}
