"""Reminders that may be carried another way."""

from alembic import op
from sqlalchemy import BigInteger, Column, text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("reminders", Column("fallback_at", BigInteger))
    some = text("fallback_at IS NOT NULL")
    op.create_index("ix_reminders_fallback_at", "reminders", ["fallback_at"], sqlite_where=some, postgresql_where=some)
