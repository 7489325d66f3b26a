"""What people write that may mean to stop: the only chats that are kept, until somebody has read them."""

from collections.abc import Iterable

from consumer.clock import Millis
from consumer.deliver.recipients.identity import KnownPhones, Mention, text_hash
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.onemsg.webhook.notifications import Inbound

_KEPT_WORDS = 5
"""Likely opt-outs that are kept of one phone, the last ones: whoever reads them needs no more."""


def mention_of(message: Inbound) -> Mention:
    """Return who wrote a message, as it names them."""
    return Mention(phone=message.sender, whatsapp_id=message.whatsapp_id, quoted_id=message.quoted_id)


def keep_words(work: UnitOfWork, unclear: Iterable[tuple[Inbound, Millis]], phones: KnownPhones) -> None:
    """Keep the last likely opt-outs of each phone. Those of unknown people nobody could find, read or erase."""
    rows = [_inbound_row(*each, phones, work.hash_key) for each in unclear]
    found = [row for row in rows if row["phone_hash"] is not None]
    queries.inbox.store_inbound(work.connection, found)
    queries.inbox.delete_inbound_but_latest(work.connection, {str(row["phone_hash"]) for row in found}, _KEPT_WORDS)


def _inbound_row(message: Inbound, received_at: Millis, phones: KnownPhones, hash_key: bytes) -> dict[str, object]:
    words = " / ".join(message.texts)
    return {
        "message_id": message.message_id or text_hash(f"{message.sender} {message.at} {words}", hash_key),
        "at": message.at,
        "kind": message.kind,
        "body": words,
        "received_at": received_at,
        "phone_hash": min(phones.of(mention_of(message)), default=None),
    }
