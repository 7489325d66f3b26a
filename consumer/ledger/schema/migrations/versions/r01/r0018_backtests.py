"""A backtest can be published, for the console."""

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "backtests",
        Column("published_at", BigInteger, autoincrement=False, nullable=False),
        Column("result", Text, nullable=False),
        PrimaryKeyConstraint("published_at", name="pk_backtests"),
    )
