"""Our messages as others saw them, verdicts about recipients, and when somebody last said no."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, PrimaryKeyConstraint, Text, text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "echoes",
        Column("message_id", Text, nullable=False),
        Column("recipient", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("source", Text, nullable=False),
        Column("received_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("message_id", name="pk_echoes"),
    )
    op.create_index("ix_echoes_at", "echoes", ["at"])
    op.create_index(
        "ix_attempts_without_id",
        "attempts",
        ["started_at"],
        sqlite_where=text("message_id IS NULL AND may_have_gone IS 1"),
        postgresql_where=text("message_id IS NULL AND may_have_gone IS true"),
    )
    op.create_table(
        "holds",
        Column("subject", Text, nullable=False),
        Column("medium", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("until", BigInteger, nullable=False),
        Column("unreachable", Boolean, nullable=False),
        PrimaryKeyConstraint("subject", "medium", name="pk_holds"),
    )
    op.add_column("contacts", Column("declined_at", BigInteger))
