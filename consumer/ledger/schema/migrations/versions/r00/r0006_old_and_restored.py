"""What is old is found, and what a restored ledger once knew is remembered."""

from alembic import op
from sqlalchemy import BigInteger, Column

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("intake_offsets", Column("doubtful_until", BigInteger))
    op.create_index("ix_reminders_created_at", "reminders", ["created_at"])
