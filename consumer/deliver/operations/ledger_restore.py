"""After a backup was restored: whatever had not gone out when it was made may have gone out since.

Those reminders become unknown, and so do those that are only on the topic, when it is read again from where the backup
ends. Nothing unknown is sent by itself: a status, an echo or an operator settles it.
"""

from collections.abc import Mapping

import structlog

from consumer.clock import Millis, Now
from consumer.deliver.lifecycle import Claimed, OutcomeUnknown, Status, StatusSource
from consumer.deliver.unit_of_work import Key, UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics

RESTORED = "ledger_restored"
_BATCH = 500
log = structlog.get_logger()


def doubt_everything_unsent(
    ledger: Ledger, lost: Mapping[str, Mapping[int, int]], *, metrics: DeliverMetrics, now: Now
) -> int:
    """Settle what a restored ledger may still send: nothing. Returns how many reminders are unknown now.

    `lost` says by topic and partition up to where the ledger once was. That is noted last, so that a crash on the way
    lets the next start do it once more.
    """
    count = 0
    while True:
        with unit_of_work(ledger, metrics, now()) as work:
            rows = queries.reminders.lock_unsent(work.connection, _BATCH)
            work.add_locked(rows)
            for row in rows:
                doubt(work, row.key)
            if not rows:
                for topic, until in lost.items():
                    queries.replicas.put_doubtful_offsets(work.connection, topic, until)
        count += len(rows)
        if not rows:
            break
    log.warning("ledger_restored", unknown=count, read_again={topic: sorted(until) for topic, until in lost.items()})
    return count


def doubt(work: UnitOfWork, key: Key) -> None:
    """This reminder may have gone out, in an attempt of which the ledger knows nothing any more."""
    row = work.get(key)
    assert row is not None
    if Status(row.status) is not Status.SENDING:
        row = row._replace(attempts=row.attempts + 1, attempted_at=work.now, claimed_by=RESTORED)
        work.update(row)
        work.apply_event(key, Claimed())
        work.journal_attempt(_attempt(row, work.now))
    work.apply_event(key, OutcomeUnknown(RESTORED, StatusSource.CHECK))


def _attempt(row: ReminderRow, now: Millis) -> dict[str, object]:
    """It counts for caps and spacing as one that may have gone out."""
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
        "may_have_gone": True,
        "reason": RESTORED,
    }
