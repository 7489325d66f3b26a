"""Each silence is an episode with one outcome, and old ones are counted by day."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Integer, PrimaryKeyConstraint, Text

revision = "0011"
down_revision = "0010"

_BEGIN = """
INSERT INTO episodes (user_id, process, began_at, noticed_at, step, decision, reason, decided_at, first,
                      first_sent_at, returned_at, completed_at)
SELECT user_id, process, last_seen, min(created_at), max(step),
       CASE WHEN min(attempted_at) IS NOT NULL THEN 'sent'
            WHEN max(CASE WHEN reason = 'holdout' THEN 1 ELSE 0 END) = 1 THEN 'holdout'
            WHEN max(CASE WHEN status = 'planned' THEN 0 ELSE 1 END) = 1 THEN 'not_sent' END,
       CASE WHEN min(attempted_at) IS NULL AND max(CASE WHEN reason = 'holdout' THEN 1 ELSE 0 END) = 0
            THEN max(reason) END,
       max(updated_at), false, min(attempted_at), min(returned_at), min(completed_at)
FROM reminders GROUP BY user_id, process, last_seen
"""
_FIRST = """
UPDATE episodes SET first = true WHERE decision IN ('sent', 'holdout') AND NOT EXISTS (
    SELECT 1 FROM episodes AS earlier WHERE earlier.user_id = episodes.user_id
    AND earlier.process = episodes.process AND earlier.began_at < episodes.began_at
    AND earlier.decision IN ('sent', 'holdout'))
"""


def upgrade() -> None:
    op.create_table(
        "episodes",
        Column("user_id", Text, nullable=False),
        Column("process", Text, nullable=False),
        Column("began_at", BigInteger, nullable=False),
        Column("noticed_at", BigInteger, nullable=False),
        Column("step", Integer, nullable=False),
        Column("decision", Text),
        Column("reason", Text),
        Column("decided_at", BigInteger),
        Column("first", Boolean, nullable=False),
        Column("first_sent_at", BigInteger),
        Column("returned_at", BigInteger),
        Column("completed_at", BigInteger),
        Column("cancelled_at", BigInteger),
        PrimaryKeyConstraint("user_id", "process", "began_at", name="pk_episodes"),
    )
    op.create_index("ix_episodes_noticed_at", "episodes", ["noticed_at"])
    op.create_table(
        "episode_days",
        Column("day", Integer, nullable=False),
        Column("process", Text, nullable=False),
        Column("step", Integer, nullable=False),
        Column("decision", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("first", Boolean, nullable=False),
        Column("count", Integer, nullable=False),
        PrimaryKeyConstraint(
            "day", "process", "step", "decision", "reason", "outcome", "first", name="pk_episode_days"
        ),
    )
    op.execute(_BEGIN)
    op.execute(_FIRST)
