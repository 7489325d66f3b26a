"""Ids of messages to erased people.

WhatsApp's id of a message contains the number that it went to. Of somebody who was erased a keyed digest of it is kept:
what is reported of the message is still recognised by it, but 1MSG cannot be asked about it any more. So a message of
which no webhook tells ends as `no_report`, as others do in which nobody could say more.
"""

import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from sqlalchemy import Connection

from consumer.ledger import queries

_PREFIX = "erased:"
T = TypeVar("T")


def digest_of(message_id: str, hash_key: bytes) -> str:
    """Return what is kept of the id of a message to somebody who was erased."""
    return _PREFIX + hmac.digest(hash_key, f"message:{message_id}".encode(), hashlib.sha256).hex()


def is_digest(message_id: str | None) -> bool:
    """Return whether this is all that is left of an id."""
    return message_id is not None and message_id.startswith(_PREFIX)


def is_same(stored: str | None, message_id: str, hash_key: bytes) -> bool:
    """Return whether the stored id, or what is left of it, is of this message."""
    return stored == message_id or (is_digest(stored) and stored == digest_of(message_id, hash_key))


def found_by_id(
    find: Callable[[Connection, Collection[str]], Mapping[str, T]],
    connection: Connection,
    message_ids: Collection[str],
    hash_key: bytes,
) -> dict[str, T]:
    """Return what a query finds by message id, by these ids, also where only a digest of one is stored."""
    found = dict(find(connection, message_ids))
    others = {digest_of(each, hash_key): each for each in message_ids if each not in found}
    return found | {others[digest]: each for digest, each in find(connection, others).items()}


def erase(connection: Connection, users: Collection[str], hash_key: bytes) -> None:
    """Leave a digest of the ids of messages to these users; what is published of them has none."""
    stored = queries.attempts.message_ids_to(connection, users)
    digests = {pair: digest_of(pair[1], hash_key) for pair in stored if not is_digest(pair[1])}
    queries.attempts.replace_message_ids(connection, digests)
    queries.outbox.clear_message_ids(connection, users)
