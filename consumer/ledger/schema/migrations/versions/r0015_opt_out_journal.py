"""Operators say why they add or lift an opt-out."""

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
