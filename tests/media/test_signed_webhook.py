"""The signed webhook against a real HTTP endpoint: its signature, and what each answer means."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.utils import formatdate

import pytest

from consumer.clock import MINUTE, SECOND
from consumer.config.sections.fallback import WebhookFallbackSettings
from consumer.media.signed_webhook import SignedWebhookClient, WebhookRequest, WebhookRequestWriter
from consumer.media.text_template import FallbackText
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome, Rejected, Remedy, Unknown
from consumer.onemsg.send_response import MAX_RETRY_AFTER
from tests.full_port import full_port
from tests.http_server import Handler, http_server

SECRET = "only-the-two-of-us"
NOW = 1_767_571_200_000
LETTER = FallbackText(
    reminder_id="6f1f2b4e",
    user_id="maria",
    process="checkout",
    step=1,
    lapsed_at=NOW,
    name="María",
    action="your order",
)


class Endpoint:
    """A company's own. Answers with `status`, or hangs up (0), and keeps what it was told."""

    def __init__(self, status: int = 200, **headers: str) -> None:
        self.told: list[tuple[dict[str, str], bytes]] = []
        self.status = status
        self.headers = headers
        self.url = ""
        self.connections = 0

    @contextmanager
    def serving(self) -> Iterator["Endpoint"]:
        endpoint = self

        class Call(Handler):
            protocol_version = "HTTP/1.1"  # keeps a connection open if it is let

            def setup(self) -> None:
                endpoint.connections += 1
                super().setup()

            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                endpoint.told.append((headers, self.body()))
                if endpoint.status:
                    self.answer(endpoint.status, **endpoint.headers)
                else:
                    self.connection.close()

        with http_server(Call) as url:
            self.url = f"{url}/lapse"
            yield self


def configured(url: str) -> WebhookFallbackSettings:
    said = {"url": url, "secret": {"env": "S"}, "text": "Hello {name}: {action}, {link}", "timeout": "2s"}
    return WebhookFallbackSettings.model_validate({**said, "link": "https://shop.example/{reminder_id}"})


def call(url: str, times: int = 1, letter: FallbackText = LETTER) -> Outcome:
    async def calling() -> Outcome:
        hook = SignedWebhookClient(configured(url), SECRET, lambda: NOW)
        try:
            message = WebhookRequestWriter(configured(url))(letter, NOW)
            return [await hook.send_template(message) for _ in range(times)][-1]
        finally:
            await hook.aclose()

    return asyncio.run(calling())


def accepts(headers: dict[str, str], body: bytes, now: int) -> bool:
    """What a receiver does: its own computation, a constant-time comparison, and no call older than five minutes."""
    stamped = headers["lapse-timestamp"].encode() + b"." + body
    good = "v1=" + hmac.new(SECRET.encode(), stamped, hashlib.sha256).hexdigest()
    fresh = abs(now - int(headers["lapse-timestamp"])) <= 300
    return hmac.compare_digest(good, headers["lapse-signature"]) and fresh


def test_request_has_all_fields_and_a_valid_signature() -> None:
    with Endpoint().serving() as endpoint:
        assert call(endpoint.url, times=2) == Accepted(message_id="6f1f2b4e")
    (headers, body), (again, _) = endpoint.told
    assert headers["lapse-id"] == again["lapse-id"] == "6f1f2b4e"
    assert "traceparent" not in headers
    assert json.loads(body) == {
        "reminder_id": "6f1f2b4e",
        "user_id": "maria",
        "process": "checkout",
        "step": 1,
        "lapsed_at": NOW,
        "name": "María",
        "action": "your order",
        "link": "https://shop.example/6f1f2b4e",
        "text": "Hello María: your order, https://shop.example/6f1f2b4e",
    }
    seconds = NOW // SECOND
    assert accepts(headers, body, seconds)
    assert not accepts(headers, body + b" ", seconds)
    assert not accepts(headers, body, seconds + 301)  # a call that somebody recorded and plays again
    assert not accepts({**headers, "lapse-timestamp": str(seconds + 301)}, body, seconds + 301)


def test_request_carries_the_trace_context() -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with Endpoint().serving() as endpoint:
        call(endpoint.url, letter=replace(LETTER, traceparent=traceparent))
    [(headers, _)] = endpoint.told
    assert headers["traceparent"] == traceparent


@pytest.mark.parametrize(
    ("status", "reason", "remedy"),
    [
        (422, "unreachable", Remedy.RECIPIENT),
        (400, "refused", Remedy.MESSAGE),
        (410, "refused", Remedy.MESSAGE),
        (429, "try_later", Remedy.TRANSIENT),
        (503, "try_later", Remedy.TRANSIENT),
        (401, "wrong_endpoint", Remedy.CHANNEL),
        (404, "wrong_endpoint", Remedy.CHANNEL),
        (302, "wrong_endpoint", Remedy.CHANNEL),
    ],
)
def test_answer_to_outcome_by_the_table(status: int, reason: str, remedy: Remedy) -> None:
    with Endpoint(status, Location="/elsewhere").serving() as endpoint:
        outcome = call(endpoint.url)
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.remedy) == (reason, remedy)
    assert len(endpoint.told) == 1  # nothing is followed, nothing repeated


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("120", 2 * MINUTE),
        ("1", MINUTE),
        ("soon", MINUTE),
        ("²", MINUTE),
        ("9" * 5000, MAX_RETRY_AFTER),
        (formatdate(NOW / SECOND + 300, usegmt=True), 5 * MINUTE),
    ],
    ids=["minutes", "at_least_one_minute", "word", "superscript", "number_too_long_to_convert", "date"],
)
def test_retry_after_is_obeyed_up_to_a_week(said: str, wait: int) -> None:
    with Endpoint(429, Retry_After=said).serving() as endpoint:
        outcome = call(endpoint.url)
    assert isinstance(outcome, Rejected)
    assert outcome.retry_after == wait


@pytest.mark.parametrize(("status", "reason"), [(500, "server_error"), (502, "server_error"), (0, "reset")])
def test_possibly_accepted_request_is_unknown(status: int, reason: str) -> None:
    with Endpoint(status).serving() as endpoint:
        outcome = call(endpoint.url)
    assert isinstance(outcome, Unknown)
    assert outcome.reason == reason


def test_unreachable_endpoint_is_not_transmitted() -> None:
    outcome = call("http://127.0.0.1:1/")
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "connect"


def test_connect_timeout_is_not_transmitted_and_url_not_shown() -> None:
    with full_port() as port:
        outcome = call(f"http://127.0.0.1:{port}/key-of-ours")
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "connect_timeout"
    assert "key-of-ours" not in repr(outcome)


def test_each_call_has_a_connection_of_its_own() -> None:
    with Endpoint().serving() as endpoint:
        call(endpoint.url, times=3)
    assert endpoint.connections == 3


def test_repr_has_no_personal_data() -> None:
    message = WebhookRequestWriter(configured("https://shop.example/"))(LETTER, NOW)
    assert isinstance(message, WebhookRequest)
    assert "María" not in repr(message) + repr(LETTER)
