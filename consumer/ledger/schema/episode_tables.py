"""Episodes, and what remains of them when they are old. Times are whole milliseconds, UTC."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from consumer.clock import DAY, Millis
from consumer.ledger.schema.tables import metadata

SENT, HOLDOUT, NOT_SENT = "sent", "holdout", "not_sent"
"""The values of `decision`."""
HORIZON: Millis = 7 * DAY
"""How long after the decision an ending counts as the episode's outcome."""

episodes = Table(
    "episodes",
    metadata,
    Column("user_id", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("began_at", BigInteger, nullable=False),  # the last activity before the silence
    Column("noticed_at", BigInteger, nullable=False),
    Column("step", Integer, nullable=False),  # the last that was asked for, or the one at which it was decided to send
    Column("decision", Text),  # of the last checks: sent, holdout, not_sent; null before the first
    Column("reason", Text),  # of not_sent
    Column("decided_at", BigInteger),
    Column("first", Boolean, nullable=False),  # of its user and process to be decided as sent or holdout
    Column("first_sent_at", BigInteger),
    Column("returned_at", BigInteger),
    Column("completed_at", BigInteger),
    Column("cancelled_at", BigInteger),
    PrimaryKeyConstraint("user_id", "process", "began_at"),
    Index(None, "noticed_at"),
)
"""One silence of one user in one process that reached the process's shortest threshold. All reminders of the silence
belong to it, so outcomes are counted once."""

episode_days = Table(
    "episode_days",
    metadata,
    Column("day", Integer, nullable=False),  # of `noticed_at`: days since 1970, UTC
    Column("process", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text, nullable=False),  # empty where there is none
    Column("outcome", Text, nullable=False),  # within the horizon: completed, cancelled, returned, none
    Column("first", Boolean, nullable=False),
    Column("count", Integer, nullable=False),
    PrimaryKeyConstraint("day", "process", "step", "decision", "reason", "outcome", "first"),
)
"""Episodes that were deleted, as counts by day: without personal data, they outlive the rows."""
