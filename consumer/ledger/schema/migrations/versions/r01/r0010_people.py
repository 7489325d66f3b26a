"""Attempts and echoes have the keyed hash of one form of the phone, and of the text; ids of WhatsApp have their phones.

Echoes are made anew: they are kept for a day at most, and the message list shows again what they showed.
"""

import hashlib
import hmac
import re

import phonenumbers
from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Text, text

revision = "0010"
down_revision = "0009"

_PHONES = text("SELECT DISTINCT phone FROM attempts WHERE phone IS NOT NULL")
_HASHED = text("UPDATE attempts SET phone_hash = :hash WHERE phone = :phone")


def upgrade() -> None:
    op.add_column("attempts", Column("phone_hash", Text))
    op.add_column("attempts", Column("text_hash", Text))
    _hash_phones()
    op.drop_index("ix_attempts_phone_started_at", "attempts")
    op.drop_index("ix_attempts_started_at_phone", "attempts")
    op.create_index("ix_attempts_phone_hash_started_at", "attempts", ["phone_hash", "started_at"])
    op.create_index("ix_attempts_started_at_phone_hash", "attempts", ["started_at", "phone_hash"])
    op.drop_table("echoes")
    op.create_table(
        "echoes",
        Column("message_id", Text, nullable=False),
        Column("phone_hash", Text, nullable=False),
        Column("text_hash", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("source", Text, nullable=False),
        Column("received_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("message_id", name="pk_echoes"),
    )
    op.create_index("ix_echoes_phone_hash", "echoes", ["phone_hash"])
    op.create_index("ix_echoes_received_at", "echoes", ["received_at"])
    op.create_table(
        "whatsapp_ids",
        Column("id_hash", Text, nullable=False),
        Column("phone_hash", Text, nullable=False),
        PrimaryKeyConstraint("id_hash", "phone_hash", name="pk_whatsapp_ids"),
    )
    op.create_table(
        "unattributed_requests",
        Column("id_hash", Text, nullable=False),
        Column("request", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("at", BigInteger, nullable=False),
        PrimaryKeyConstraint("id_hash", "request", name="pk_unattributed_requests"),
    )


def _hash_phones() -> None:
    """Give the attempts that are there the hash of their phone, by the index on it."""
    connection = op.get_bind()
    key = connection.scalar(text("SELECT value FROM meta WHERE name = 'hash_key'"))
    phones = list(connection.scalars(_PHONES)) if key else []
    if phones:
        connection.execute(_HASHED, [{"phone": each, "hash": _hash(each, bytes.fromhex(key))} for each in phones])


def _hash(digits: str, key: bytes) -> str:
    return hmac.digest(key, _canonical(digits).encode(), hashlib.sha256).hex()


def _canonical(digits: str) -> str:
    """Return the one form of a number that `consumer/onemsg/phone.py` had when this was written."""
    try:
        number = phonenumbers.parse(re.sub(r"^\+521(\d{10})$", r"+52\1", f"+{digits}"))
    except phonenumbers.NumberParseException:
        number = None
    possible = number is not None and phonenumbers.is_possible_number(number)
    plain = phonenumbers.format_number(number, 0).removeprefix("+") if number is not None and possible else digits
    plain = re.sub(r"^(55\d\d)9(?=[6-9]\d{7}$)", r"\1", plain)
    return re.sub(r"^549(?=\d{10}$)", "54", plain)
