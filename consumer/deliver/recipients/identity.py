"""Who is behind a phone: the one key under which everything is kept that belongs to a phone.

The key is a keyed hash of one canonical form of the number, so that all spellings of a Brazilian, Mexican or
Argentinian mobile are one person, and what is kept outlives the number itself.
"""

import hashlib
import hmac

from consumer.onemsg.phone import canonical_phone


def phone_hash(phone: str, hash_key: bytes) -> str:
    """Return what is stored of a phone (digits): the same for all the forms that WhatsApp has for it."""
    return hmac.digest(hash_key, canonical_phone(phone).encode(), hashlib.sha256).hex()


def subjects_of(user_id: str | None, phone: str | None, hash_key: bytes) -> list[str]:
    """Return the keys by which opt-outs and holds are stored. `phone` is digits."""
    subjects = [] if user_id is None else [f"user:{user_id}"]
    if phone:
        subjects.append(f"phone:{phone_hash(phone, hash_key)}")
    return subjects
