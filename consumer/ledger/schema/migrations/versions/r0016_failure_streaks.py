"""Unexplained failures in a row are counted whatever their words, for each template as well as for the channel.

What was counted so far is forgotten: it was of another kind, and counts anew within three failures.
"""

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.drop_table("failure_streaks")
    op.create_table(
        "failure_streaks",
        Column("breaker", Text, nullable=False),
        Column("told_by", Text, nullable=False),
        Column("people", Text, nullable=False),
        Column("errors", Text, nullable=False),
        Column("since", BigInteger, nullable=False),
        PrimaryKeyConstraint("breaker", "told_by", name="pk_failure_streaks"),
    )
