"""A template message, and the request body that sends it (docs/1msg.md#sending-a-template)."""

import json
import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateMessage:
    """A message. `phone`: digits with the country code; `params` fill {{1}}, {{2}} … of the body; `ttl`: seconds.

    A button with a static URL needs no parameter. Raises ValueError if `phone` is not 6 to 15 digits.
    """

    phone: str = field(repr=False)
    template: str
    namespace: str
    language: str
    params: tuple[str, ...] = field(default=(), repr=False)
    ttl: int | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d{6,15}", self.phone, re.ASCII):
            raise ValueError("a phone is 6 to 15 digits, country code first")


def body_of(message: TemplateMessage) -> bytes:
    """Return the body of `POST /{channelId}/sendTemplate`, JSON."""
    body: dict[str, object] = {
        "phone": message.phone,
        "template": message.template,
        "namespace": message.namespace,
        "language": {"policy": "deterministic", "code": message.language},
    }
    if message.params:
        texts = [{"type": "text", "text": text} for text in message.params]
        body["params"] = [{"type": "body", "parameters": texts}]
    if message.ttl is not None:
        body["messageSendTtlSeconds"] = message.ttl
    return json.dumps(body, separators=(",", ":")).encode()
