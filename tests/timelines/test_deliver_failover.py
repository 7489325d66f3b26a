"""Another database server takes over, with or without the last commits; or a newer Lapse takes the ledger over."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from consumer.clock import HOUR, MINUTE, SECOND
from consumer.ledger.errors import LedgerRefused, LedgerRegressed
from consumer.ledger.schema.migrations import HEAD

from ..ledger import databases
from .deliver_diary import Diary

pytestmark = pytest.mark.postgres


@pytest.fixture
def deliver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Diary]:
    diary = Diary(tmp_path, url=databases.unused("postgresql", tmp_path, request))
    yield diary
    diary.close()


def fails_over(deliver: Diary, *, losing: str = "") -> Diary:
    """Every connection breaks; the standby is a moment behind: it does not know that this user was written to."""
    with deliver.ledger.transaction() as connection:
        if losing:
            mine = {"user": losing}
            connection.execute(text("DELETE FROM attempts WHERE user_id = :user"), mine)
            connection.execute(text("DELETE FROM outbox WHERE user_id = :user"), mine)
            before = "status = 'planned', due_at = 0, quiet_since = NULL, sequence = 0, attempts = 0, message_id = NULL"
            connection.execute(text(f"UPDATE reminders SET {before} WHERE user_id = :user"), mine)
    deliver.ledger._engine.dispose()
    return deliver


def test_standby_without_the_last_attempt_sends_nothing_twice(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul", phone="+34 677 777 777").due("maria").works().went_out("Maria")
    fails_over(deliver, losing="maria").due("paul")
    with pytest.raises(LedgerRegressed, match="may have been sent, and becomes unknown"):
        deliver.works()
    deliver.crashes_and_restarts().after(MINUTE).detect_is_at().works().went_out("Maria")
    assert {(row.user_id, row.status, row.reason) for row in deliver.rows()} == {
        ("maria", "unknown", "ledger_restored"),
        ("paul", "unknown", "ledger_restored"),
    }


def test_standby_with_every_commit_goes_on_at_once(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    fails_over(deliver).due("maria", "checkout").works().says("maria accepted").went_out("Maria", "Maria")


def test_an_attempt_that_was_deleted_since_is_no_loss(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted").after(2 * HOUR).detect_is_at()
    fails_over(deliver, losing="maria").works()
    deliver.went_out("Maria", "Maria")  # as after retention: nobody remembers


def test_after_a_failover_nothing_is_claimed_until_every_replica_has_looked(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.ledger.failovers += 1  # a connection met another timeline
    deliver.works().says_nothing().after(29 * SECOND).works().says_nothing()
    deliver.after(SECOND).works().says("maria accepted")


def test_timeline_of_a_server_is_known_and_stays(deliver: Diary) -> None:
    fails_over(deliver).works()
    assert deliver.ledger._timeline == "00000001"
    assert (deliver.ledger.failovers, deliver.ledger.connections > 1) == (0, True)


def test_a_replica_of_an_older_version_sends_nothing_once_the_ledger_is_upgraded(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul", phone="+34 677 777 777").due("maria").works().went_out("Maria")
    deliver.due("paul")
    upgraded_to(deliver, "9999")
    with pytest.raises(LedgerRefused, match=r"a newer Lapse wrote this ledger \(schema version 9999"):
        deliver.works()
    upgraded_to(deliver, HEAD)  # which later cases find in this database
    deliver.went_out("Maria")
    assert {(row.user_id, row.status) for row in deliver.rows()} == {("maria", "accepted"), ("paul", "planned")}


def upgraded_to(deliver: Diary, version: str) -> None:
    with deliver.ledger.transaction() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
