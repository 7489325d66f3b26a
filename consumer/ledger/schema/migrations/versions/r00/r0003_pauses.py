"""What an operator has paused."""

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "pauses",
        Column("process", Text, nullable=False),
        Column("since", BigInteger, nullable=False),
        PrimaryKeyConstraint("process", name="pk_pauses"),
    )
