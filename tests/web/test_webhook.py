"""The answers of the webhook endpoint, to 1MSG and to strangers."""

import gzip
import io
import json
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from starlette.types import ASGIApp

from consumer import log
from consumer.clock import ManualClock
from consumer.config.sections.service import LogSettings
from consumer.metrics import DeliverMetrics
from consumer.web.health import Health
from consumer.web.routes import build, build_public
from consumer.web.webhook import MAX_BODY_BYTES, WebhookEndpoint

from .conftest import UNHURRIED

SECRET = "a-secret-nobody-guesses"
OTHER_SECRET = "the-one-that-comes-after-it"
REPORT = {"instanceId": "CH1", "ack": [{"id": "wamid.AAA", "status": "delivered"}]}


@dataclass
class ListInbox:
    """Keeps bodies in a list, or cannot."""

    bodies: list[bytes] = field(default_factory=list)
    broken: bool = False

    async def submit(self, body: bytes) -> None:
        if self.broken:
            raise OSError("disk full")
        self.bodies.append(body)


@dataclass
class Site:
    client: httpx.Client
    inbox: ListInbox
    registry: CollectorRegistry
    before: dict[str, int] = field(default_factory=dict)

    def post(self, body: bytes, secret: str = SECRET) -> httpx.Response:
        return self.client.post(f"/webhooks/1msg/{secret}", content=body)

    def counted(self) -> dict[str, int]:
        """What this test's calls were counted as."""
        return dict(Counter(self._totals()) - Counter(self.before))

    def begin(self) -> "Site":
        self.inbox.bodies.clear()
        self.inbox.broken = False
        self.before = self._totals()
        return self

    def _totals(self) -> dict[str, int]:
        samples = [sample for metric in self.registry.collect() for sample in metric.samples]
        return {s.labels["outcome"]: int(s.value) for s in samples if s.name == "lapse_webhooks_total"}


@pytest.fixture(scope="module")
def shared(serving: Callable[[ASGIApp], httpx.Client]) -> Site:
    inbox, registry = ListInbox(), CollectorRegistry()
    outcomes = DeliverMetrics(registry).webhooks
    secrets = [SecretStr(SECRET), SecretStr(OTHER_SECRET)]
    webhook = WebhookEndpoint(inbox=inbox, secrets=secrets, outcomes=outcomes, wrong_secrets=UNHURRIED)
    app = build(health=Health(ManualClock().monotonic), metrics=registry, webhook=webhook)
    return Site(serving(app), inbox, registry)


@pytest.fixture
def site(shared: Site) -> Site:
    return shared.begin()


def test_body_is_stored_unchanged_then_answered_200(site: Site) -> None:
    body = json.dumps(REPORT, indent=3).encode()
    assert site.post(body).status_code == 200
    assert site.inbox.bodies == [body]
    assert site.counted() == {"stored": 1}


@pytest.mark.parametrize("body", [b"{}", b"[]", b'"x"', b'{"something": "new"}', '{"Ñ": "é"}'.encode()])
def test_json_of_unknown_form_is_stored(site: Site, body: bytes) -> None:
    assert site.post(body).status_code == 200
    assert site.inbox.bodies == [body]


@pytest.mark.parametrize("body", [b"", b"status=delivered", b"<html>", b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_body_that_is_not_json_is_refused(site: Site, body: bytes) -> None:
    answer = site.post(body)
    assert (answer.status_code, answer.json()) == (400, {"error": "unreadable"})
    assert site.inbox.bodies == []
    assert site.counted() == {"unreadable": 1}


def test_compressed_body_is_not_unpacked(site: Site) -> None:
    bomb = gzip.compress(b'{"ack": "' + b"a" * 50_000_000 + b'"}')
    address = f"/webhooks/1msg/{SECRET}"
    answer = site.client.post(address, content=bomb, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()) == (400, {"error": "unreadable"})
    assert site.inbox.bodies == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"ack": ' + b"9" * 100_000 + b"}",
        b'{"ack": [' + b"[" * 50_000 + b"]" * 50_000 + b"]}",
        b'{"ack": [{"id": 1e999, "status": NaN}]}',
        b'{"ack": [{"id": "\\ud800", "status": "sent"}]}',
        b'{"ack": [' + b",".join([b'{"id": "x", "status": "sent"}'] * 30_000) + b"]}",
        b'{"a": 1' + b', "a": 1' * 100_000 + b"}",
    ],
)
def test_malformed_requests_are_answered_and_the_next_one_served(site: Site, body: bytes) -> None:
    assert site.post(body).status_code in {200, 400}
    assert site.post(b"{}").status_code == 200


def test_body_that_cannot_be_stored_is_answered_503(site: Site) -> None:
    site.inbox.broken = True
    assert site.post(b"{}").status_code == 503
    assert site.counted() == {"not_stored": 1}
    site.inbox.broken = False
    assert site.post(b"{}").status_code == 200


@pytest.mark.parametrize("secret", ["wrong", SECRET + "x", SECRET[:-1], "", SECRET.upper(), "ключ", "a/b"])
def test_wrong_secret_is_answered_404(site: Site, secret: str) -> None:
    answer = site.post(b"{}", secret)
    nowhere = site.client.post("/nowhere", content=b"{}")
    assert (answer.status_code, answer.json()) == (nowhere.status_code, nowhere.json()) == (404, {"error": "Not Found"})
    assert site.inbox.bodies == []
    assert site.counted() == {"bad_secret": 1}


def test_the_other_secret_is_right_as_well_while_one_replaces_the_other(site: Site) -> None:
    assert site.post(b"{}", OTHER_SECRET).status_code == 200
    assert site.counted() == {"stored": 1}


def test_trailing_slash_is_ignored(site: Site) -> None:
    assert site.post(b"{}", SECRET + "/").status_code == 200


def test_too_large_body_is_refused_and_the_next_call_served(site: Site) -> None:
    answer = site.post(b'{"x": "' + b"a" * 5_000_000 + b'"}')
    assert (answer.status_code, answer.json()) == (413, {"error": "too_large"})
    assert site.counted() == {"too_large": 1}
    assert site.post(b"{}").status_code == 200


@pytest.mark.parametrize("size", [1_000_001, 3 * 1024 * 1024])
def test_bodies_as_large_as_metas_are_stored(site: Site, size: int) -> None:
    body = b'{"x": "' + b"a" * (size - 9) + b'"}'
    assert site.post(body).status_code == 200
    assert site.inbox.bodies == [body]


def test_size_limit_is_exact(site: Site) -> None:
    exact = b'"' + b"a" * (MAX_BODY_BYTES - 2) + b'"'
    assert site.post(exact).status_code == 200
    assert site.post(exact[:-1] + b'a"').status_code == 413


def test_chunked_body_is_refused_at_the_limit(site: Site) -> None:
    with socket.create_connection((site.client.base_url.host, site.client.base_url.port or 0), timeout=10) as link:
        head = f"POST /webhooks/1msg/{SECRET} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        link.sendall(head.encode())
        chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
        for _ in range(MAX_BODY_BYTES // 0x10000 + 1):  # the end of the body is never sent
            link.sendall(chunk)
        assert link.recv(100).startswith(b"HTTP/1.1 413")
    assert site.inbox.bodies == []


def test_aborted_call_stores_nothing(site: Site) -> None:
    with socket.create_connection((site.client.base_url.host, site.client.base_url.port or 0), timeout=10) as link:
        head = f"POST /webhooks/1msg/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        link.sendall(head.encode() + b'{"ack"')
    assert site.post(b"{}").status_code == 200
    assert site.inbox.bodies == [b"{}"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_only_post_is_allowed(site: Site, method: str) -> None:
    answer = site.client.request(method, f"/webhooks/1msg/{SECRET}", params={"hub.challenge": "1"})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_without_a_configured_secret_the_path_is_404(
    serving: Callable[[ASGIApp], httpx.Client],
) -> None:
    client = serving(build(health=Health(ManualClock().monotonic), metrics=CollectorRegistry()))
    assert client.post("/webhooks/1msg/", content=b"{}").status_code == 404
    assert client.post("/webhooks/1msg/anything", content=b"{}").status_code == 404


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    log.configure(LogSettings(level="debug", format="json"), [SecretStr(SECRET)], stream)
    yield stream
    root.handlers[:], root.level = before


def test_secret_is_never_logged(logged: io.StringIO, site: Site) -> None:
    site.post(b"{}")
    site.post(b"not json")
    site.inbox.broken = True
    site.post(b"{}")
    site.client.get(f"/webhooks/1msg/{SECRET}")
    text = logged.getvalue()
    assert "webhook_not_stored" in text
    assert SECRET not in text


def test_body_that_is_not_stored_is_one_line_without_its_text(logged: io.StringIO, site: Site) -> None:
    site.inbox.broken = True
    assert site.post(b'{"from": "15551230000"}').status_code == 503
    (line,) = [json.loads(line) for line in logged.getvalue().splitlines() if "webhook_not_stored" in line]
    assert line["raised"] == "OSError"
    assert line["at"].startswith("test_webhook.py")
    assert "15551230000" not in logged.getvalue()


def test_the_public_listener_serves_the_webhook_and_nothing_else(serving: Callable[[ASGIApp], httpx.Client]) -> None:
    inbox, outcomes = ListInbox(), DeliverMetrics(CollectorRegistry()).webhooks
    webhook = WebhookEndpoint(inbox=inbox, secrets=[SecretStr(SECRET)], outcomes=outcomes)
    client = serving(build_public(webhook))
    assert client.post(f"/webhooks/1msg/{SECRET}", content=b"{}").status_code == 200
    for path in ("/", "/healthz", "/readyz", "/metrics", "/api/overview", "/api/brake", "/api/openapi.json"):
        assert client.get(path).status_code == 404
