"""Reminders and what is published of them have the trace context (W3C `traceparent`) of the activity behind them."""

from alembic import op
from sqlalchemy import Column, Text

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("reminders", Column("traceparent", Text))
    op.add_column("outbox", Column("traceparent", Text))
