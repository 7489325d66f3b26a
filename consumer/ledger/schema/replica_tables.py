"""How far everything is, and how replicas keep out of each other's way. See `tables` for the rest."""

from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Table, Text

from consumer.ledger.schema.tables import metadata

intake_offsets = Table(
    "intake_offsets",
    metadata,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("doubtful_until", BigInteger),  # an earlier state of this ledger was read up to here, before a backup
    PrimaryKeyConstraint("topic", "partition"),
)
"""How far each topic is in the ledger."""

clocks = Table(
    "clocks",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("clock", BigInteger, nullable=False),
)
"""Up to when detect has heard everything, by partition of the reminders topic."""

paces = Table(
    "paces",
    metadata,
    Column("medium", Text, primary_key=True),
    Column("counted_from", BigInteger, nullable=False),  # microseconds: up to here all rights to send have been used
    Column("held_until", BigInteger, nullable=False),  # the channel said that we are too fast
)
"""How fast each channel is used, by all replicas together; see `deliver/channel/rate_limit.py`."""

turns = Table(
    "turns",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
)
"""What one replica at a time does, which one, and until when it may be relied on."""
