"""What was decided about an episode, seen from one of its reminders. Pure."""

from typing import NamedTuple

from consumer.deliver.lifecycle import Status
from consumer.ledger.schema.episode_tables import HOLDOUT, NOT_SENT, SENT
from consumer.ledger.schema.rows import ReminderRow


class Decision(NamedTuple):
    """The decision of the last checks, and the reason of `not_sent`."""

    decision: str
    reason: str | None


def decision_of(row: ReminderRow) -> Decision | None:
    """Return what the last checks decided; None while there were none.

    Who was written to counts as sent whatever became of the message: the comparison with the holdout is by what was
    intended.
    """
    if row.attempted_at is not None:
        return Decision(SENT, None)
    if row.status == Status.PLANNED.value:
        return None
    if row.reason == HOLDOUT:
        return Decision(HOLDOUT, None)
    return Decision(NOT_SENT, row.reason)
