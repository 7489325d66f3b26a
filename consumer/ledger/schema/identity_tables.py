"""Which ids of WhatsApp belong to which phones, and what was asked under an id before its phone was known.

Everything is a keyed hash, as in `opt_outs`, and stays when the person is erased: a hidden number can still opt out.
"""

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table, Text

from consumer.ledger.schema.tables import metadata

whatsapp_ids = Table(
    "whatsapp_ids",
    metadata,
    Column("id_hash", Text, nullable=False),
    Column("phone_hash", Text, nullable=False),
    PrimaryKeyConstraint("id_hash", "phone_hash"),
)
"""Ids (BSUID, `@lid`) that were seen with a phone, or in reports about a message to one."""

unattributed_requests = Table(
    "unattributed_requests",
    metadata,
    Column("id_hash", Text, nullable=False),
    Column("request", Text, nullable=False),  # stop, start, likely_stop
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("id_hash", "request"),
)
"""Requests of people whose phone is not known yet; they are applied as soon as it is."""
