"""Calls the company's own HTTP endpoint with a signed request, so that it can reach a person in its own way.

A request is a POST of JSON with these headers:
- `Lapse-Id`: the reminder's id, the same in every attempt, so that the endpoint can ignore repeats;
- `Lapse-Timestamp`: when the request was sent, in whole seconds since the epoch;
- `Lapse-Signature`: `v1=` and the HMAC-SHA256 (hex) of `<timestamp>.<body>`, with the secret as key;
- `traceparent`: the W3C trace context of the activity after which the person went quiet, if it had one.
The endpoint computes the signature itself, compares in constant time, and refuses requests older than five minutes.

| answer                         | means                                                                |
|--------------------------------|----------------------------------------------------------------------|
| 2xx                            | accepted; final                                                      |
| 422                            | this person cannot be reached (`unreachable`)                        |
| 400, 410, 413, 415             | this reminder will never be accepted (`refused`)                     |
| 408, 425, 429, 503             | not accepted, retried later; `Retry-After` is obeyed, up to a week   |
| 3xx, 401, 403, 404, 405, …     | the endpoint is misconfigured: the channel stops until it is fixed   |
| any other 5xx, or no answer    | unknown: may have been accepted, so it is not sent again by itself   |
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from consumer.clock import MINUTE, SECOND, Millis, Now
from consumer.config.sections.fallback import WebhookFallbackSettings
from consumer.config.types import millis
from consumer.media.text_template import FallbackText, fill_link, fill_text
from consumer.onemsg.client import ChannelStatus
from consumer.onemsg.http.transport import HttpTransport
from consumer.onemsg.http.transport_errors import FAILURES, outcome_of
from consumer.onemsg.outcomes import Accepted, Outcome, Rejected, Remedy, Unknown
from consumer.onemsg.send_response import parse_retry_after
from consumer.trace_context import TRACEPARENT

_REFUSED = {400, 410, 413, 415}
_RETRY_LATER = {408, 425, 429, 503}
_MIN_RETRY_AFTER_MS: Millis = MINUTE
_CONNECTIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """One request: the id, the same in every attempt, the JSON body, and the trace that it belongs to."""

    id: str
    body: bytes = field(repr=False)
    traceparent: str | None = None


class WebhookRequestWriter:
    """Builds requests by the settings of one endpoint."""

    def __init__(self, settings: WebhookFallbackSettings) -> None:
        self._settings = settings

    def __call__(self, letter: FallbackText, now: Millis) -> WebhookRequest:
        link = fill_link(self._settings.link, letter)
        content = {
            "reminder_id": letter.reminder_id,
            "user_id": letter.user_id,
            "process": letter.process,
            "step": letter.step,
            "lapsed_at": letter.lapsed_at,
            "name": letter.name,
            "action": letter.action,
            "link": link,
            "text": fill_text(self._settings.text, letter, link),
        }
        body = json.dumps(content).encode()
        return WebhookRequest(id=letter.reminder_id, body=body, traceparent=letter.traceparent)


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the value of `Lapse-Signature` for a body sent at `timestamp` (whole seconds)."""
    return "v1=" + hmac.digest(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hex()


class SignedWebhookClient:
    """The client of one endpoint, for one event loop; close it with `aclose`. `now` is the wall clock."""

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

    async def send_template(self, message: WebhookRequest) -> Outcome:
        """Try once. Every answer and every failure is an Outcome."""
        now = self._now()
        timestamp = now // SECOND
        headers = {
            "Lapse-Id": message.id,
            "Lapse-Timestamp": str(timestamp),
            "Lapse-Signature": signature(self._secret, timestamp, message.body),
        }
        if message.traceparent is not None:
            headers[TRACEPARENT] = message.traceparent
        try:
            status, told, _ = await self._http.exchange("POST", "", headers=headers, body=message.body, limit=0)
        except FAILURES as error:
            return outcome_of(error, (self._url,))
        return _outcome(status, told, message.id, now)

    async def status(self) -> ChannelStatus:
        """Return "connected": no harmless request can test an unknown endpoint, so the next message will tell."""
        return ChannelStatus("connected")

    async def aclose(self) -> None:
        await self._http.aclose()


def _outcome(status: int, headers: Mapping[str, str], call_id: str, now: Millis) -> Outcome:
    error = f"HTTP {status}"
    if 200 <= status < 300:
        return Accepted(message_id=call_id)
    if status in _RETRY_LATER:
        wait = max(parse_retry_after(headers, now) or 0, _MIN_RETRY_AFTER_MS)
        return Rejected(reason="try_later", remedy=Remedy.TRANSIENT, error=error, retry_after=wait)
    if status == 422:
        return Rejected(reason="unreachable", remedy=Remedy.RECIPIENT, error=error)
    if status in _REFUSED:
        return Rejected(reason="refused", remedy=Remedy.MESSAGE, error=error)
    if status >= 500:
        return Unknown(reason="server_error", error=error)
    return Rejected(reason="wrong_endpoint", remedy=Remedy.CHANNEL, error=error)
