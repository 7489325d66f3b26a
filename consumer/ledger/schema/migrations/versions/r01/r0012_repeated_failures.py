"""Circuit breakers know the provider's words and whether a report opened them; repeated failures are counted."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, PrimaryKeyConstraint, Text, false

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("channels", Column("error", Text))
    op.add_column("channels", Column("opened_by_report", Boolean, nullable=False, server_default=false()))
    op.add_column("channels", Column("accepted_probe_at", BigInteger))
    op.create_table(
        "failure_streaks",
        Column("medium", Text, nullable=False),
        Column("told_by", Text, nullable=False),
        Column("pattern", Text, nullable=False),
        Column("users", Text, nullable=False),
        Column("since", BigInteger, nullable=False),
        PrimaryKeyConstraint("medium", "told_by", name="pk_failure_streaks"),
    )
