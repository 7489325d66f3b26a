"""Tells a company's own HTTP endpoint whom to reach in a way of its own, signed, and what its answers mean.

A request is a POST of JSON with these headers:
- `Lapse-Id`: the reminder's id, the same in every attempt: whoever must not act twice knows it by that;
- `Lapse-Timestamp`: whole seconds since the epoch, when it was sent;
- `Lapse-Signature`: `v1=` and the HMAC-SHA256 (hex) of `<timestamp>.<body>`, keyed with the secret.
A receiver computes the signature itself, compares in constant time, and refuses what is more than five minutes old.

| answer                         | means                                                                |
|--------------------------------|----------------------------------------------------------------------|
| 2xx                            | taken; nothing more is expected                                      |
| 422                            | this person cannot be reached (`unreachable`)                        |
| 400, 410, 413, 415             | this reminder will never be taken (`refused`)                        |
| 408, 425, 429, 503             | not taken, come again later; `Retry-After` in seconds is obeyed      |
| 3xx, 401, 403, 404, 405, …     | the endpoint is not the right one: the channel stops until it is     |
| any other 5xx, or no answer    | unknown: it may have been taken, and is not sent again by itself     |
"""

import hashlib
import hmac
import json
from dataclasses import dataclass, field

from consumer.clock import MINUTE, SECOND, Millis, Now
from consumer.config.fallback import WebhookFallbackSettings
from consumer.config.types import millis
from consumer.media.text_template import FallbackText, filled, linked
from consumer.onemsg.client import ChannelStatus
from consumer.onemsg.http.transport import HttpTransport
from consumer.onemsg.http.transport_errors import FAILURES, outcome_of
from consumer.onemsg.outcomes import Accepted, Outcome, Rejected, Remedy, Unknown

_REFUSED = {400, 410, 413, 415}
_COME_AGAIN = {408, 425, 429, 503}
_LATER = MINUTE
_CONNECTIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: the id that every attempt shares, and the JSON to sign."""

    id: str
    body: bytes = field(repr=False)


class HookWriter:
    """Writes the requests of one configuration."""

    def __init__(self, settings: WebhookFallbackSettings) -> None:
        self._settings = settings

    def __call__(self, letter: FallbackText, now: Millis) -> Call:
        link = linked(self._settings.link, letter)
        said = {
            "reminder_id": letter.reminder_id,
            "user_id": letter.user_id,
            "process": letter.process,
            "step": letter.step,
            "lapsed_at": letter.lapsed_at,
            "name": letter.name,
            "action": letter.action,
            "link": link,
            "text": filled(self._settings.text, letter, link),
        }
        return Call(id=letter.reminder_id, body=json.dumps(said).encode())


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """What `Lapse-Signature` says of a body sent at that time (whole seconds)."""
    return "v1=" + hmac.digest(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hex()


class Hook:
    """One endpoint. Made anywhere, used in one event loop, closed with `aclose`. `now` is the wall clock."""

    def __init__(self, settings: WebhookFallbackSettings, secret: str, now: Now) -> None:
        self._url = settings.url
        self._secret = secret
        self._now = now
        self._http = HttpTransport(
            settings.url,
            headers={"User-Agent": "lapse"},
            timeout_ms=millis(settings.timeout),
            connections=_CONNECTIONS,
            keep_alive=False,  # a connection that was closed meanwhile would leave us with an unknown
        )

    async def send_template(self, message: Call) -> Outcome:
        """Tries once. Every answer and every failure is an Outcome."""
        timestamp = self._now() // SECOND
        headers = {
            "Lapse-Id": message.id,
            "Lapse-Timestamp": str(timestamp),
            "Lapse-Signature": signature(self._secret, timestamp, message.body),
        }
        try:
            status, told, _ = await self._http.exchange("POST", "", headers=headers, body=message.body, limit=0)
        except FAILURES as error:
            return outcome_of(error, (self._url,))
        return _outcome(status, told.get("retry-after", ""), message.id)

    async def status(self) -> ChannelStatus:
        """There is no harmless question to ask an endpoint that we know nothing of: the probe itself has to show."""
        return ChannelStatus("connected")

    async def aclose(self) -> None:
        await self._http.aclose()


def _outcome(status: int, retry_after: str, call_id: str) -> Outcome:
    error = f"HTTP {status}"
    if 200 <= status < 300:
        return Accepted(message_id=call_id)
    if status in _COME_AGAIN:
        wait = int(retry_after) * SECOND if retry_after.isascii() and retry_after.isdecimal() else 0
        return Rejected(reason="try_later", remedy=Remedy.TRANSIENT, error=error, retry_after=max(wait, _LATER))
    if status == 422:
        return Rejected(reason="unreachable", remedy=Remedy.RECIPIENT, error=error)
    if status in _REFUSED:
        return Rejected(reason="refused", remedy=Remedy.MESSAGE, error=error)
    if status >= 500:
        return Unknown(reason="server_error", error=error)
    return Rejected(reason="wrong_endpoint", remedy=Remedy.CHANNEL, error=error)
