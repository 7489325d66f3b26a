"""After a backup of the ledger was restored: what was unsent in the backup may have been sent since.

Those reminders become unknown, and so do the ones that are read again from the topic after the end of the backup.
Nothing unknown is sent by itself: a report, an echo or an operator settles it.
"""

from collections.abc import Mapping

import structlog

from consumer.clock import SECOND, Millis, Now
from consumer.deliver.lifecycle import Claimed, OutcomeUnknown, Status, StatusSource
from consumer.deliver.unit_of_work import Key, UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics

RESTORED = "ledger_restored"
_SEQUENCES_SINCE: Millis = 1_577_836_800 * SECOND  # 2020
_BATCH = 500
log = structlog.get_logger()


def first_sequence(now: Millis) -> int:
    """Return a number greater than that of any record which an earlier ledger has published.

    Readers would take a new record with the same number, and so the same `event_id`, for a repeat. It is the seconds
    since 2020: no reminder has a record each second, so a later ledger is also ahead of a restored one.
    """
    return (now - _SEQUENCES_SINCE) // SECOND


def mark_unsent_unknown(
    ledger: Ledger, lost: Mapping[str, Mapping[int, int]], *, metrics: DeliverMetrics, now: Now
) -> int:
    """Make every unsent reminder unknown. Returns how many there were.

    `lost`: by topic and partition, up to which offset the ledger had read before. It is stored last, so that after a
    crash the next start repeats everything.
    """
    count, unusable = 0, set[Key]()
    while True:
        with unit_of_work(ledger, metrics, now()) as work:
            found = queries.reminders.lock_unsent(work.connection, _BATCH + len(unusable))
            rows = work.add_locked(found)
            for row in rows:
                mark_unknown(work, row.key)
            others = {row.key for row in found}.difference(row.key for row in rows)
            is_done = not rows and others <= unusable
            unusable |= others  # never sent, whatever they are
            if is_done:
                for topic, until in lost.items():
                    queries.replicas.put_doubtful_offsets(work.connection, topic, until)
                queries.sequences.raise_sequences(work.connection, first_sequence(work.now))
        count += len(rows)
        if is_done:
            break
    log.warning("ledger_restored", unknown=count, read_again={topic: sorted(until) for topic, until in lost.items()})
    return count


def mark_unknown(work: UnitOfWork, key: Key) -> None:
    """Make a reminder unknown that may have gone out in an attempt which the restored ledger does not have."""
    row = work.get(key)
    assert row is not None
    row = row._replace(sequence=max(row.sequence, first_sequence(work.now)))
    work.update(row)
    if Status(row.status) is not Status.SENDING:
        row = row._replace(attempts=row.attempts + 1, attempted_at=work.now, claimed_by=RESTORED)
        work.update(row)
        work.apply_event(key, Claimed())
        work.journal_attempt(_attempt(row, work.now))
    work.apply_event(key, OutcomeUnknown(RESTORED, StatusSource.CHECK))


def _attempt(row: ReminderRow, now: Millis) -> dict[str, object]:
    """Return the attempt, which counts for caps and spacing as one that may have gone out."""
    return {
        "reminder_id": row.reminder_id,
        "medium": row.medium,
        "number": row.attempts,
        "user_id": row.user_id,
        "process": row.process,
        "step": row.step,
        "started_at": now,
        "finished_at": now,
        "outcome": "unknown",
        "may_have_been_sent": True,
        "reason": RESTORED,
    }
