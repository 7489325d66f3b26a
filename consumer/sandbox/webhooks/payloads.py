"""The bodies that webhooks get (`ack[]` and `messages[]`, or Meta's raw form), and the items of lists. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from consumer.sandbox.channel_state import Message
from consumer.sandbox.faults.fates import Step

BUSINESS_PHONE: Final = "15550001111"
BUSINESS_NAME: Final = "Sandbox Inc."


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """One event for a webhook: a status if there is a step, otherwise the message itself (incoming or outgoing)."""

    message: Message
    step: Step | None = None


def webhook_body(events: Sequence[WebhookEvent], channel_id: str, *, raw: bool) -> dict[str, Any]:
    """Return one body for one or several events, in the form that the channel's `rawHooks` asks for."""
    if raw:
        return _raw_body(events)
    body: dict[str, Any] = {"instanceId": channel_id}
    acks = [_ack(event.message, event.step) for event in events if event.step]
    messages = [_message(event.message) for event in events if not event.step]
    if acks:
        body["ack"] = acks
    if messages:
        body["messages"] = messages
    return body


def message_list_item(message: Message) -> dict[str, Any]:
    """Return an item of `GET /messages` (docs/1msg.md#message-list), where flags are 0 and 1."""
    return {
        "messageNumber": message.number,
        **_message(message),
        "fromMe": int(message.from_me),
        "self": int(message.from_me),
        "isForwarded": 0,
        "chatName": message.recipient.phone or message.recipient.given,
    }


def hook_info_item(message: Message, step: Step) -> dict[str, Any]:
    """Return an item of hookInfo's `hooks[]` (docs/1msg.md#hookinfo), which raw bodies have in `statuses[]` as well."""
    at = (message.starts + step.after) // 1000
    category = _category(message)
    item: dict[str, Any] = {
        "id": message.id,
        "type": "message",
        "status": step.status,
        "timestamp": str(at),
        "recipient_id": message.recipient.phone or message.recipient.bsuid,
    }
    if step.error is not None:
        item["errors"] = [step.error.as_status_error()]
        return item
    item["pricing"] = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": category}
    item["conversation"] = {
        "id": f"c{message.number}",
        "origin": {"type": category},
        "expiration_timestamp": at + 86400,
    }
    return item


def _ack(message: Message, step: Step) -> dict[str, Any]:
    """Return an item of `ack[]` (docs/1msg.md#normalised-statuses): it has no time, and no error code, only a text."""
    ack: dict[str, Any] = {
        "id": message.id,
        "chatId": message.recipient.chat_id,
        "phone": message.recipient.phone,
        "bsuid": message.recipient.bsuid,
        "userName": None,
        "status": step.status,
        "category": _category(message),
    }
    if step.error is not None:
        ack["error"] = step.error.title
    return ack


def _message(message: Message) -> dict[str, Any]:
    """Return an item of `messages[]` (docs/1msg.md#normalised-messages)."""
    return {
        "id": message.id,
        "type": message.kind,
        "body": message.text,
        "fromMe": message.from_me,
        "self": int(message.from_me),
        "isForwarded": False,
        "author": f"{BUSINESS_PHONE}@c.us" if message.from_me else message.recipient.chat_id,
        "time": message.at // 1000,
        "chatId": message.recipient.chat_id,
        "senderName": BUSINESS_NAME if message.from_me else message.recipient.phone,
        "authorBsuid": None if message.from_me else message.recipient.bsuid,
        "caption": None,
        "quotedMsgId": None,
    }


def _raw_body(events: Sequence[WebhookEvent]) -> dict[str, Any]:
    """Return Meta's form (docs/1msg.md#raw-bodies-of-meta); echoes are `message_echoes`."""
    value: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": BUSINESS_PHONE, "phone_number_id": "1"},
    }
    for event in events:
        if event.step:
            value.setdefault("statuses", []).append(hook_info_item(event.message, event.step))
        else:
            name = "message_echoes" if event.message.from_me else "messages"
            value.setdefault(name, []).append(_raw_message(event.message))
    change = {"field": "messages", "value": value}
    return {"object": "whatsapp_business_account", "entry": [{"id": "WABA", "changes": [change]}]}


def _raw_message(message: Message) -> dict[str, Any]:
    person = message.recipient.phone or message.recipient.bsuid
    raw: dict[str, Any] = {"id": message.id, "timestamp": str(message.at // 1000)}
    if message.kind == "button":
        raw |= {"type": "button", "button": {"text": message.text, "payload": message.text}}
    else:
        raw |= {"type": "text", "text": {"body": message.text}}
    return raw | ({"from": BUSINESS_PHONE, "to": person} if message.from_me else {"from": person})


def _category(message: Message) -> str:
    return message.send_request.template.category.lower() if message.send_request else "marketing"
