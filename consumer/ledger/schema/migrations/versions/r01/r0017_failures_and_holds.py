"""Unexplained failures in a row are counted whatever their words; a recipient has a hold for each reason.

Failures that were counted so far are forgotten: they were of another kind, and count anew within three.
"""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, PrimaryKeyConstraint, Text, text

revision = "0017"
down_revision = "0016"


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
    _key_holds_by_reason_too()


def _key_holds_by_reason_too() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("pk_holds", "holds")
        op.create_primary_key("pk_holds", "holds", ["subject", "medium", "reason"])
        return
    op.rename_table("holds", "old_holds")
    op.create_table(
        "holds",
        Column("subject", Text, nullable=False),
        Column("medium", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("until", BigInteger, nullable=False),
        Column("unreachable", Boolean, nullable=False),
        PrimaryKeyConstraint("subject", "medium", "reason", name="pk_holds"),
    )
    op.execute(
        "INSERT INTO holds (subject, medium, reason, until, unreachable)"
        " SELECT subject, medium, reason, until, unreachable FROM old_holds"
    )
    op.drop_table("old_holds")  # and its indexes with it
    op.create_index("ix_holds_until", "holds", ["until"])
    op.create_index("ix_holds_unreachable", "holds", ["subject"], sqlite_where=text("unreachable IS 1"))
