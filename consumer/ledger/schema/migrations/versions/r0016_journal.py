"""What people do is journalled, and reminders are found by the time at which they were requested."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Text

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
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
