"""The ledger comes back from a backup: whatever it would still send may have gone out since."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.clock import DAY
from consumer.deliver.operations import ledger_restore
from consumer.ledger import queries

from .deliver_diary import Diary


@pytest.fixture
def deliver(ledger_url: str, tmp_path: Path) -> Iterator[Diary]:
    diary = Diary(tmp_path, url=ledger_url)
    yield diary
    diary.close()


def restored(deliver: Diary, until: int) -> None:
    """The group had read partition 0 of the reminders up to there, and the ledger has not."""
    lost = {"reminders": {0: until}}
    ledger_restore.doubt_everything_unsent(deliver.ledger, lost, metrics=deliver.metrics, now=deliver.clock.now)


def test_what_had_not_gone_out_is_unknown_and_what_had_stays_as_it_is(deliver: Diary) -> None:
    deliver.knows("anna", name="Anna").due("anna").works().says("anna accepted")
    deliver.due("bea").works().says("bea deferred no_contact")
    restored(deliver, 2)
    deliver.knows("bea", name="Bea").works().says("bea unknown ledger_restored")
    deliver.after(DAY).detect_is_at().works().says("bea unresolved gave_up", "anna accepted no_report")
    deliver.went_out("Anna")


def test_what_is_read_again_is_unknown_too_and_what_comes_after_it_goes_out(deliver: Diary) -> None:
    for name in ("Anna", "Bea"):
        deliver.knows(name.lower(), name=name, phone=f"+34 612 345 67{len(name)}")
    restored(deliver, 1)
    deliver.due("anna").due("bea").works().says("anna unknown ledger_restored", "bea accepted")
    deliver.went_out("Bea")


def test_what_may_have_gone_out_counts_as_if_it_had(deliver: Diary) -> None:
    deliver.knows("anna", name="Anna")
    restored(deliver, 1)
    deliver.due("anna").works().says("anna unknown ledger_restored")
    deliver.after(60_000).due("anna").works().says("anna suppressed already_asked")
    deliver.went_out()


def test_a_second_start_restores_nothing(deliver: Diary) -> None:
    restored(deliver, 5)
    with deliver.ledger.reading() as connection:
        assert queries.replicas.doubtful_offsets(connection, "reminders") == {0: 5}
        assert queries.replicas.doubtful_offsets(connection, "contacts") == {}
