"""Contacts have the keyed hash of their mailbox, so that a likely opt-out counts for every account that names it.

Where the key is kept outside the ledger, a contact gets it with its next record.
"""

import hashlib
import hmac

from alembic import op
from email_validator import EmailNotValidError, validate_email
from sqlalchemy import Column, Text, text

revision = "0021"
down_revision = "0020"

_EMAILS = text("SELECT user_id, email FROM contacts WHERE email IS NOT NULL")
_HASHED = text("UPDATE contacts SET email_hash = :hash WHERE user_id = :user")


def upgrade() -> None:
    op.add_column("contacts", Column("email_hash", Text))
    connection = op.get_bind()
    key = connection.scalar(text("SELECT value FROM meta WHERE name = 'hash_key'"))
    found = connection.execute(_EMAILS).all() if key else []
    rows = [{"user": user, "hash": hashed} for user, email in found if (hashed := _hash(email, bytes.fromhex(key)))]
    if rows:
        connection.execute(_HASHED, rows)
    op.create_index("ix_contacts_email_hash", "contacts", ["email_hash"])


def _hash(address: str, key: bytes) -> str | None:
    """Return the hash as `consumer/email_address.py` had it when this was written; None if it is no address."""
    try:
        found = validate_email(address.strip(), check_deliverability=False, allow_smtputf8=False, strict=True)
    except (EmailNotValidError, UnicodeError):
        return None
    if found.ascii_email is None:
        return None
    local, _, domain = found.ascii_email.casefold().rpartition("@")
    local = local.partition("+")[0] or local
    google = domain in ("gmail.com", "googlemail.com")
    mailbox = f"{local.replace('.', '')}@gmail.com" if google else f"{local}@{domain}"
    return hmac.digest(key, f"email:{mailbox}".encode(), hashlib.sha256).hex()
