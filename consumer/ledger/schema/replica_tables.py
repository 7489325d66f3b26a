"""How far everything has been read, and which replica does what. See `tables` for the rest."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, PrimaryKeyConstraint, Table, Text

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

watermarks = Table(
    "watermarks",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("watermark", BigInteger, nullable=False),
    Column("watched", BigInteger),  # null in these four: detect has not told it
    Column("held", BigInteger),
    Column("brake", Text),  # null also while the brake is free
    Column("distrusted", Boolean),
)
"""Up to when detect has read everything, by partition of the reminders topic, and what it does with the partition: see
the record WATERMARK."""

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
)
"""What one replica at a time does, which one, and until when it may be relied on."""
