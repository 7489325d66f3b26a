"""What replicas share: how fast they may send, and whose turn it is."""

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "paces",
        Column("medium", Text, nullable=False),
        Column("counted_from", BigInteger, nullable=False),
        Column("held_until", BigInteger, nullable=False),
        PrimaryKeyConstraint("medium", name="pk_paces"),
    )
    op.create_table(
        "turns",
        Column("name", Text, nullable=False),
        Column("holder", Text, nullable=False),
        Column("until", BigInteger, nullable=False),
        PrimaryKeyConstraint("name", name="pk_turns"),
    )
