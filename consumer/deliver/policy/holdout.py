"""Who gets no message, so that the effect of messages can be measured. Pure."""

import hashlib
import hmac


def held_out(user_id: str, process: str, share: float, hash_key: bytes) -> bool:
    """Return whether this user is held out of this process. The answer never changes.

    It is true for about `share` (0 to 1) of the users. The key is the ledger's, so that the split cannot be computed
    from outside, and is independent of any other test that splits users by their ids.
    """
    digest = hmac.digest(hash_key, f"holdout\0{process}\0{user_id}".encode(), hashlib.sha256)
    return int.from_bytes(digest[:8], "big") < share * 2**64
