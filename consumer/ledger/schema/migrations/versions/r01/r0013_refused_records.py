"""Records that the broker refuses for what they are can be set aside in both outboxes."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    for table in ("outbox", "opt_out_outbox"):
        op.add_column(table, Column("refused_because", Text))
