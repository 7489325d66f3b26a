"""The backtest that the console shows."""

from sqlalchemy import BigInteger, Column, Table, Text

from consumer.ledger.schema.tables import metadata

backtests = Table(
    "backtests",
    metadata,
    Column("published_at", BigInteger, primary_key=True, autoincrement=False),  # milliseconds, UTC
    Column("result", Text, nullable=False),  # JSON: counts and shares, nothing of any person
)
"""What `lapse backtest --publish` found; the latest replaces the one before."""
