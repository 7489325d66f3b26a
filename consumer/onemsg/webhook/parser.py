"""Webhook bodies in every form that a channel sends (contract §8), all of them possibly in one body.

Nothing says at the top which form it is; the arrays that are there do. An item that cannot be read is counted and
passed over: its neighbours are good.
"""

from collections.abc import Iterator, Mapping

from consumer.onemsg.http import lenient_json as lenient
from consumer.onemsg.masking import mask_text
from consumer.onemsg.webhook.notifications import Echo, Inbound, Notification, Preference, Progress, StatusReport

_PROGRESS = {
    # contract §8.6
    "sent": Progress.SENT,
    "delivered": Progress.DELIVERED,
    "read": Progress.READ,
    "viewed": Progress.READ,
    "played": Progress.READ,
    "failed": Progress.FAILED,
    "undelivered": Progress.FAILED,
}

Item = StatusReport | Echo | Inbound | Preference


class UnreadableBody(ValueError):
    """A webhook body is not a JSON object."""


def parse_webhook(body: bytes) -> Notification:
    """Everything that a body tells. Raises UnreadableBody, and nothing else."""
    try:
        root = lenient.decode(body)
    except lenient.NotJson as error:
        raise UnreadableBody(str(error)) from None
    if not isinstance(root, dict):
        raise UnreadableBody("not a JSON object")
    found = list(_everything(root))
    return Notification(
        statuses=tuple(item for item in found if isinstance(item, StatusReport)),
        echoes=tuple(item for item in found if isinstance(item, Echo)),
        inbound=tuple(item for item in found if isinstance(item, Inbound)),
        preferences=tuple(item for item in found if isinstance(item, Preference)),
        ignored=sum(item is None for item in found) if found else 1,
    )


def _everything(root: Mapping[str, object]) -> Iterator[Item | None]:
    for key in ("ack", "hooks"):  # §8.1 and §8.4
        yield from map(parse_status, _listed(root, key))
    yield from map(parse_message, _listed(root, "messages"))  # §8.2
    for entry in _listed(root, "entry"):  # §8.3
        for change in lenient.items(lenient.mapping(entry).get("changes")) or [None]:
            yield from _change(lenient.mapping(lenient.mapping(change).get("value")))


def _change(inner: Mapping[str, object]) -> Iterator[Item | None]:
    """One change of a raw Meta body. One that holds nothing we know is a single ignored item."""
    known = [key for key in ("statuses", "messages", "message_echoes", "user_preferences") if key in inner]
    if not known:
        yield None
    yield from map(parse_status, _listed(inner, "statuses"))
    yield from map(_raw_inbound, _listed(inner, "messages"))
    yield from map(_raw_echo, _listed(inner, "message_echoes"))
    yield from map(_preference, _listed(inner, "user_preferences"))


def _listed(holder: Mapping[str, object], key: str) -> list[object]:
    """The items under `key`; something there that is no list counts as one item that says nothing."""
    value = holder.get(key)
    if value is None or isinstance(value, list | dict):
        return lenient.items(value)
    return [None]


def parse_status(item: object) -> StatusReport | None:
    """One status of `ack[]`, `hooks[]`, raw `statuses[]` or hookInfo; None where nothing changes (§8.6)."""
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
    )


def _error(given: Mapping[str, object]) -> tuple[int | None, str | None]:
    """Code and text of a failure: `error` as text (§8.1), as an object, or Meta's `errors[]` (§8.3)."""
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
    """One row of `messages[]`, from the webhook (§8.2) or the message list (§5): ours, or the client's."""
    given = lenient.mapping(item)
    message_id = lenient.identifier(given.get("id"))
    ours = lenient.boolean(given.get("fromMe"))
    if message_id is None or (ours is None and given.get("fromMe") is not None):
        return None
    at = lenient.timestamp(given.get("time"))
    body = lenient.coalesce(lenient.text(given.get("body")), lenient.text(given.get("caption")))
    if ours:
        return Echo(message_id=message_id, recipient=_number(given, "chatId", "phone"), at=at, body=body)
    sender = _number(given, "author", "chatId", "phone")
    kind = lenient.text(given.get("type"), 40) or "unknown"
    others = _texts((given, "caption"), (given, "payload"), (lenient.mapping(given.get("button")), "payload"))
    return Inbound(message_id=message_id, sender=sender, at=at, kind=kind, body=body, other_texts=others)


def _raw_echo(item: object) -> Echo | None:
    given = lenient.mapping(item)
    message_id = lenient.identifier(given.get("id"))
    if message_id is None:
        return None
    at = lenient.timestamp(given.get("timestamp"))
    return Echo(message_id=message_id, recipient=_number(given, "to"), at=at, body=_raw_body(given))


def _raw_inbound(item: object) -> Inbound | None:
    given = lenient.mapping(item)
    message_id = lenient.identifier(given.get("id"))
    if message_id is None:
        return None
    kind = lenient.text(given.get("type"), 40) or "unknown"
    at = lenient.timestamp(given.get("timestamp"))
    sender = _number(given, "from")
    body, others = _raw_body(given), _raw_other_texts(given)
    return Inbound(message_id=message_id, sender=sender, at=at, kind=kind, body=body, other_texts=others)


def _raw_other_texts(given: Mapping[str, object]) -> tuple[str, ...]:
    replies = lenient.mapping(given.get("interactive"))
    media = [(lenient.mapping(given.get(kind)), "caption") for kind in ("image", "video", "document")]
    return _texts(
        *media,
        (lenient.mapping(given.get("button")), "payload"),
        (lenient.mapping(replies.get("button_reply")), "id"),
        (lenient.mapping(replies.get("list_reply")), "id"),
    )


def _texts(*places: tuple[Mapping[str, object], str]) -> tuple[str, ...]:
    return tuple(text for place, key in places if (text := lenient.text(place.get(key))))


def _raw_body(given: Mapping[str, object]) -> str | None:
    """What was written, or the words on the button that was tapped."""
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
    category = lenient.text(given.get("category"), 60)
    if wanted is None or category is None:
        return None
    at = lenient.timestamp(given.get("timestamp"))
    return Preference(sender=_number(given, "wa_id"), category=category, wanted=wanted, at=at)


def _number(given: Mapping[str, object], *keys: str) -> str | None:
    return lenient.coalesce(*(lenient.phone_digits(given.get(key)) for key in keys))
