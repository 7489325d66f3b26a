"""What is over and old goes, a little at a time; what still protects somebody stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from consumer.clock import DAY, HOUR
from consumer.deliver.operations.retention import Retention
from consumer.ledger.schema.tables import attempts, inbound_messages, opt_outs, outbox, reminders
from consumer.onemsg.outcomes import Unknown

from ..timelines.deliver_diary import Diary

KEEP = 90 * DAY


@pytest.fixture
def diary(ledger_url: str, tmp_path: Path) -> Iterator[Diary]:
    diary = Diary(tmp_path, url=ledger_url)
    yield diary
    diary.close()


def prune(diary: Diary) -> int:
    pruning, gone = Retention(diary.ledger, keep_ms=KEEP, now=diary.clock.now), 0
    while went := pruning.step():
        gone += went
    return gone


def counts(diary: Diary) -> tuple[int, ...]:
    with diary.ledger.reading() as connection:
        tables = (reminders, attempts, outbox, inbound_messages, opt_outs)
        return tuple(connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables)


def last(diary: Diary) -> tuple[str, str, str | None]:
    told = diary.topic[-1]
    return told.user_id, told.status, told.reason


def test_what_is_over_goes_with_all_that_was_told_of_it_and_opt_outs_stay(diary: Diary) -> None:
    diary.knows("maria").due("maria").works().reports("wamid.1", "delivered", "read").publishes()
    diary.knows("paul", opt_in=False).due("paul").works()
    diary.hears("stop").publishes()
    assert counts(diary) == (2, 1, 4, 1, 3)
    diary.after(KEEP - HOUR)
    assert prune(diary) == 0
    diary.after(2 * HOUR)
    assert prune(diary) == 5
    assert counts(diary) == (0, 0, 0, 0, 3)
    diary.due("maria").works()
    assert last(diary) == ("maria", "suppressed", "opted_out")


def test_what_waits_is_in_doubt_or_was_not_told_yet_stays_however_old(diary: Diary) -> None:
    diary.due("waits").works()
    diary.knows("unknown").due("unknown")
    diary.onemsg.answers.append(Unknown(reason="timeout"))
    diary.works()
    diary.after(2 * DAY).works()  # given up: it is unresolved now
    diary.knows("untold", opt_in=False, phone="+34 612 345 679").due("untold").works_in_silence()
    kept = {row.user_id for row in diary.rows()}
    diary.after(2 * KEEP)
    prune(diary)
    assert {row.user_id for row in diary.rows()} == kept
    diary.publishes()
    prune(diary)
    assert {row.user_id for row in diary.rows()} == kept - {"untold"}


def test_a_lapse_that_is_older_than_its_row_is_expired_by_its_age(diary: Diary) -> None:
    diary.knows("maria").detect_is_at().due("maria", lapsed="Mon 08:00").works().reports("wamid.1", "read").publishes()
    diary.after(KEEP + DAY)
    prune(diary)
    diary.detect_is_at().due("maria", lapsed="Mon 08:00").works().went_out("Maria")
    assert last(diary) == ("maria", "suppressed", "expired")


def test_it_goes_in_small_batches(diary: Diary) -> None:
    for n in range(450):
        diary.due(f"user {n}", lapsed="Mon 08:00")
    diary.after(5 * DAY).detect_is_at().works()
    diary.after(KEEP + DAY)
    pruning = Retention(diary.ledger, keep_ms=KEEP, now=diary.clock.now)
    assert [pruning.step() for _ in range(4)] == [200, 200, 50, 0]
