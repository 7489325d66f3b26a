"""Attempts have the keyed hash of the mailbox that they went to, so that caps count it. Earlier ones stay without."""

from alembic import op
from sqlalchemy import Column, Text, text

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("attempts", Column("email_hash", Text))
    only_mailed = text("email_hash IS NOT NULL")
    columns = ["email_hash", "started_at"]
    op.create_index("ix_attempts_email", "attempts", columns, sqlite_where=only_mailed, postgresql_where=only_mailed)
