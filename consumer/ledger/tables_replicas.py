"""The tables by which replicas keep out of each other's way. See `tables` for the rest."""

from sqlalchemy import BigInteger, Column, Table, Text

from consumer.ledger.tables import metadata

paces = Table(
    "paces",
    metadata,
    Column("medium", Text, primary_key=True),
    Column("counted_from", BigInteger, nullable=False),  # microseconds: up to here all rights to send have been used
    Column("held_until", BigInteger, nullable=False),  # the channel said that we are too fast
)
"""How fast each channel is used, by all replicas together; see `deliver/pace.py`."""

turns = Table(
    "turns",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
)
"""What one replica at a time does, which one, and until when it may be relied on."""
