"""Who gets no message so that we can see what messages do. Pure."""

import hashlib
import hmac


def held_out(user_id: str, process: str, share: float, hash_key: bytes) -> bool:
    """Whether this user is held out of this process: always the same answer, for about `share` (0 to 1) of them.

    The key is the ledger's, so that nobody can tell from outside, and no other test of a company's that splits its
    users by their ids splits them in the same way.
    """
    told = hmac.digest(hash_key, f"holdout\0{process}\0{user_id}".encode(), hashlib.sha256)
    return int.from_bytes(told[:8], "big") < share * 2**64
