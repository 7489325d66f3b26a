"""Echoes are found by their recipient, attempts by their moment, and what is unresolved by being so.

Echoes are made anew: they are kept for a day at most, and the message list shows again what they showed.
"""

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text, text

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.drop_table("echoes")
    op.create_table(
        "echoes",
        Column("message_id", Text, nullable=False),
        Column("recipient", Text, nullable=False),
        Column("tail", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("source", Text, nullable=False),
        Column("received_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("message_id", name="pk_echoes"),
    )
    op.create_index("ix_echoes_tail", "echoes", ["tail"])
    op.create_index("ix_echoes_received_at", "echoes", ["received_at"])
    op.create_index("ix_attempts_started_at_phone", "attempts", ["started_at", "phone"])
    op.create_index(
        "ix_reminders_unresolved",
        "reminders",
        ["attempted_at"],
        sqlite_where=text("status = 'unresolved'"),
        postgresql_where=text("status = 'unresolved'"),
    )
