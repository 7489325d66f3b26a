"""Reads webhook bodies in every form that a channel sends (docs/1msg.md#webhook-bodies); one body may mix them.

The arrays in a body show which forms it has. An item that cannot be read is counted and skipped; the others count.
"""

from collections.abc import Iterator, Mapping

from consumer.onemsg.http import lenient_json as lenient
from consumer.onemsg.masking import mask_text
from consumer.onemsg.webhook.inbound_texts import texts_in
from consumer.onemsg.webhook.notifications import (
    Echo,
    Inbound,
    NamedPerson,
    Notification,
    Preference,
    Progress,
    StatusReport,
)

_PROGRESS = {
    # docs/1msg.md#message-statuses
    "sent": Progress.SENT,
    "delivered": Progress.DELIVERED,
    "read": Progress.READ,
    "viewed": Progress.READ,
    "played": Progress.READ,
    "failed": Progress.FAILED,
    "undelivered": Progress.FAILED,
}

Item = StatusReport | Echo | Inbound | Preference | NamedPerson


class UnreadableBody(ValueError):
    """The webhook body is not a JSON object."""


def parse_webhook(body: bytes) -> Notification:
    """Return everything that a body reports. Raises UnreadableBody, and nothing else."""
    try:
        root = lenient.decode(body)
    except lenient.NotJson as error:
        raise UnreadableBody(str(error)) from None
    roots = [each for each in lenient.items(root) if isinstance(each, dict)]
    if not roots:
        raise UnreadableBody("not a JSON object")
    found = [item for each in roots for item in _all_items(each)]
    return Notification(
        statuses=tuple(item for item in found if isinstance(item, StatusReport)),
        echoes=tuple(item for item in found if isinstance(item, Echo)),
        inbound=tuple(item for item in found if isinstance(item, Inbound)),
        preferences=tuple(item for item in found if isinstance(item, Preference)),
        people=tuple(item for item in found if isinstance(item, NamedPerson)),
        ignored=sum(item is None for item in found) if found else 1,
    )


def _all_items(root: Mapping[str, object]) -> Iterator[Item | None]:
    for key in ("ack", "hooks"):  # normalised statuses, pushed hooks
        yield from map(parse_status, _items_of(root, key))
    yield from map(parse_message, _items_of(root, "messages"))  # docs/1msg.md#normalised-messages
    for entry in _items_of(root, "entry"):  # docs/1msg.md#raw-bodies-of-meta
        for change in lenient.items(lenient.mapping(entry).get("changes")) or [None]:
            yield from _change(lenient.mapping(lenient.mapping(change).get("value")))


def _change(inner: Mapping[str, object]) -> Iterator[Item | None]:
    """Yield the items of one change of a raw Meta body. A change without known items is one ignored item."""
    known = [key for key in ("statuses", "messages", "message_echoes", "user_preferences") if key in inner]
    if not known:
        yield None
    yield from filter(None, map(_named_person, _items_of(inner, "contacts")))
    yield from map(parse_status, _items_of(inner, "statuses"))
    yield from map(_raw_inbound, _items_of(inner, "messages"))
    yield from map(_raw_echo, _items_of(inner, "message_echoes"))
    yield from map(_preference, _items_of(inner, "user_preferences"))


def _items_of(holder: Mapping[str, object], key: str) -> list[object]:
    """Return the items under `key`; a value that is no list counts as one item that cannot be read."""
    value = holder.get(key)
    if value is None or isinstance(value, list | dict):
        return lenient.items(value)
    return [None]


def parse_status(item: object) -> StatusReport | None:
    """Return one status of `ack[]`, `hooks[]`, raw `statuses[]` or hookInfo; None if it changes nothing."""
    given = lenient.mapping(item)
    message_id = lenient.identifier(given.get("id"))
    progress = _PROGRESS.get((lenient.text(given.get("status")) or "").lower())
    if message_id is None or progress is None:
        return None
    code, error = _error(given) if progress is Progress.FAILED else (None, None)
    return StatusReport(
        message_id=message_id,
        progress=progress,
        at=lenient.coalesce(lenient.timestamp(given.get("timestamp")), lenient.timestamp(given.get("time"))),
        error_code=code,
        error=error,
        recipient=_number(given, "recipient_id", "phone", "chatId"),
        whatsapp_id=_whatsapp_id(given, "bsuid", "recipient_user_id", "recipient_id", "phone", "chatId"),
    )


def _error(given: Mapping[str, object]) -> tuple[int | None, str | None]:
    """Return code and text of a failure: `error` as text (`ack[]`), as an object, or Meta's `errors[]`."""
    if text := lenient.text(given.get("error")):
        return None, mask_text(text) or None
    details = [lenient.mapping(error) for key in ("errors", "error") for error in lenient.items(given.get(key))]
    texts: list[str] = []
    for each in details:
        words = [
            lenient.mapping(each.get("error_data")).get("details"),
            *map(each.get, ("details", "message", "title")),
        ]
        texts += [text for word in words if (text := lenient.text(word))]
    code = lenient.coalesce(*(lenient.integer(each.get("code")) for each in details))
    return code, mask_text(": ".join(dict.fromkeys(texts))) or None


def parse_message(item: object) -> Echo | Inbound | None:
    """Return one row of `messages[]`, from the webhook or the message list: ours, or the person's."""
    given = lenient.mapping(item)
    message_id = lenient.identifier(given.get("id"))
    at = lenient.timestamp(given.get("time"))
    if lenient.coalesce(lenient.boolean(given.get("fromMe")), lenient.boolean(given.get("self"))):
        body = lenient.coalesce(lenient.text(given.get("body")), lenient.text(given.get("caption")))
        recipient, whatsapp_id = _number(given, "chatId", "phone"), _whatsapp_id(given, "chatId", "phone")
        if message_id is None:
            return None
        return Echo(message_id=message_id, recipient=recipient, whatsapp_id=whatsapp_id, at=at, body=body)
    texts = texts_in(given)
    if message_id is None and not texts:
        return None
    return Inbound(
        message_id=message_id,
        sender=_number(given, "author", "chatId", "phone", "from"),
        whatsapp_id=_whatsapp_id(given, "authorBsuid", "bsuid", "author", "chatId", "phone"),
        quoted_id=lenient.identifier(given.get("quotedMsgId")),
        at=at,
        kind=lenient.text(given.get("type"), 40) or "unknown",
        texts=texts,
    )


def _raw_echo(item: object) -> Echo | None:
    given = lenient.mapping(item)
    message_id = lenient.identifier(given.get("id"))
    if message_id is None:
        return None
    at = lenient.timestamp(given.get("timestamp"))
    whatsapp_id = _whatsapp_id(given, "to_user_id", "to")
    recipient = _number(given, "to")
    return Echo(message_id=message_id, recipient=recipient, whatsapp_id=whatsapp_id, at=at, body=_raw_body(given))


def _raw_inbound(item: object) -> Inbound | None:
    given = lenient.mapping(item)
    message_id, texts = lenient.identifier(given.get("id")), texts_in(given)
    if message_id is None and not texts:
        return None
    return Inbound(
        message_id=message_id,
        sender=_number(given, "from"),
        whatsapp_id=_whatsapp_id(given, "from_user_id", "from"),
        quoted_id=lenient.identifier(lenient.mapping(given.get("context")).get("id")),
        at=lenient.timestamp(given.get("timestamp")),
        kind=lenient.text(given.get("type"), 40) or "unknown",
        texts=texts,
    )


def _raw_body(given: Mapping[str, object]) -> str | None:
    """Return what was written, or the text of the button that was tapped."""
    replies = lenient.mapping(given.get("interactive"))
    places = (
        (lenient.mapping(given.get("text")), "body"),
        (lenient.mapping(given.get("button")), "text"),
        (lenient.mapping(replies.get("button_reply")), "title"),
        (lenient.mapping(replies.get("list_reply")), "title"),
    )
    return lenient.coalesce(*(lenient.text(place.get(key)) for place, key in places))


def _preference(item: object) -> Preference | None:
    given = lenient.mapping(item)
    wanted = {"resume": True, "stop": False}.get((lenient.text(given.get("value")) or "").lower())
    category = lenient.text(given.get("category"), 60) or "unknown"
    at = lenient.timestamp(given.get("timestamp"))
    sender, whatsapp_id = _number(given, "wa_id"), _whatsapp_id(given, "user_id", "bsuid", "wa_id")
    if wanted is None or (sender is None and whatsapp_id is None):
        return None
    return Preference(sender=sender, whatsapp_id=whatsapp_id, category=category, wanted=wanted, at=at)


def _named_person(item: object) -> NamedPerson | None:
    given = lenient.mapping(item)
    phone, whatsapp_id = _number(given, "wa_id"), _whatsapp_id(given, "user_id")
    return NamedPerson(phone=phone, whatsapp_id=whatsapp_id) if phone and whatsapp_id else None


def _whatsapp_id(given: Mapping[str, object], *keys: str) -> str | None:
    return lenient.coalesce(*(lenient.whatsapp_id(given.get(key)) for key in keys))


def _number(given: Mapping[str, object], *keys: str) -> str | None:
    return lenient.coalesce(*(lenient.phone_digits(given.get(key)) for key in keys))
