"""Retention: old reminders that are over are deleted in small batches; what protects a person stays."""

import pytest
from sqlalchemy import func, select

from consumer.clock import DAY, HOUR
from consumer.deliver.operations.retention import Retention
from consumer.ledger.schema.tables import attempts, inbound_messages, opt_outs, outbox, reminders
from consumer.onemsg.outcomes import Unknown

from ..timelines.deliver_diary import Diary

KEEP = 90 * DAY


def prune(diary: Diary) -> int:
    retention, total = Retention(diary.ledger, keep_ms=KEEP, now=diary.clock.now), 0
    while deleted := retention.step():
        total += deleted
    return total


def counts(diary: Diary) -> tuple[int, ...]:
    with diary.ledger.reading() as connection:
        tables = (reminders, attempts, outbox, inbound_messages, opt_outs)
        return tuple(connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables)


def last(diary: Diary) -> tuple[str, str, str | None]:
    record = diary.topic[-1]
    return record.user_id, record.status, record.reason


def test_old_reminders_and_messages_are_deleted_and_opt_outs_stay(diary: Diary) -> None:
    diary.knows("maria").due("maria").works().reports("wamid.1", "delivered", "read").publishes()
    diary.knows("paul", opt_in=False).due("paul").works()
    diary.hears("stop").hears("please stop my secret words", message="wamid.in.2").publishes()
    assert counts(diary) == (2, 1, 4, 1, 3)
    diary.after(KEEP - HOUR)
    assert prune(diary) == 0
    diary.after(2 * HOUR)
    assert prune(diary) == 2 + 1 + 3 + 2  # reminders, messages, opt-outs that were told, episodes
    assert counts(diary) == (0, 0, 0, 0, 3)
    diary.due("maria").works()
    assert last(diary) == ("maria", "suppressed", "opted_out")


def test_open_or_unpublished_reminders_stay_however_old(diary: Diary) -> None:
    diary.due("waits").works()
    diary.knows("unknown").due("unknown")
    diary.onemsg.answers.append(Unknown(reason="timeout"))
    diary.works()
    diary.after(2 * DAY).works()  # it is unresolved now
    diary.knows("untold", opt_in=False, phone="+34 612 345 679").due("untold").works_in_silence()
    kept = {row.user_id for row in diary.rows()}
    diary.after(2 * KEEP)
    prune(diary)
    assert {row.user_id for row in diary.rows()} == kept
    diary.publishes()
    prune(diary)
    assert {row.user_id for row in diary.rows()} == kept - {"untold"}


def test_lapse_older_than_its_deleted_row_is_expired(diary: Diary) -> None:
    diary.knows("maria").detect_is_at().due("maria", lapsed="Mon 08:00").works().reports("wamid.1", "read").publishes()
    diary.after(KEEP + DAY)
    prune(diary)
    diary.detect_is_at().due("maria", lapsed="Mon 08:00").works().went_out("Maria")
    assert last(diary) == ("maria", "suppressed", "expired")


@pytest.mark.slow
def test_retention_deletes_in_small_batches(diary: Diary) -> None:
    for n in range(450):
        diary.due(f"user {n}", lapsed="Mon 08:00")
    diary.after(5 * DAY).detect_is_at().works()
    diary.after(KEEP + DAY)
    retention = Retention(diary.ledger, keep_ms=KEEP, now=diary.clock.now)
    # As many reminders as episodes in each.
    assert [retention.step() for _ in range(4)] == [2 * 200, 2 * 200, 2 * 50, 0]
