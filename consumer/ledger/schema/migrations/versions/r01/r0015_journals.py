"""What people do is journalled, opt-outs with the reason, and reminders are found by the time of their request."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Text

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "opt_out_journal",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), autoincrement=True, nullable=False),
        Column("subject", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("why", Text),
        Column("at", BigInteger, nullable=False),
        PrimaryKeyConstraint("id", name="pk_opt_out_journal"),
    )
    op.create_index("ix_opt_out_journal_subject", "opt_out_journal", ["subject"])
    op.create_table(
        "journal",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), autoincrement=True, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("actor", Text, nullable=False),
        Column("via", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("subject", Text),
        Column("detail", Text),
        Column("count", Integer),
        PrimaryKeyConstraint("id", name="pk_journal"),
    )
    op.create_index("ix_reminders_created_at", "reminders", ["created_at"])
