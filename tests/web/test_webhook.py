"""What 1MSG, or anybody else, gets for an answer at the webhook's address."""

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
from consumer.config.service import LogSettings
from consumer.metrics import DeliverMetrics
from consumer.web.health import Health
from consumer.web.routes import build
from consumer.web.webhook import MAX_BODY_BYTES, WebhookEndpoint

SECRET = "a-secret-nobody-guesses"
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
    webhook = WebhookEndpoint(inbox=inbox, secret=SecretStr(SECRET), outcomes=outcomes)
    app = build(health=Health(ManualClock().monotonic), metrics=registry, webhook=webhook)
    return Site(serving(app), inbox, registry)


@pytest.fixture
def site(shared: Site) -> Site:
    return shared.begin()


def test_a_report_is_stored_untouched_and_then_answered_200(site: Site) -> None:
    body = json.dumps(REPORT, indent=3).encode()
    assert site.post(body).status_code == 200
    assert site.inbox.bodies == [body]
    assert site.counted() == {"stored": 1}


@pytest.mark.parametrize("body", [b"{}", b"[]", b'"x"', b'{"something": "new"}', '{"Ñ": "é"}'.encode()])
def test_json_of_a_form_nobody_knows_is_kept(site: Site, body: bytes) -> None:
    assert site.post(body).status_code == 200
    assert site.inbox.bodies == [body]


@pytest.mark.parametrize("body", [b"", b"status=delivered", b"<html>", b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_what_is_no_json_is_refused_by_name_and_not_stored(site: Site, body: bytes) -> None:
    answer = site.post(body)
    assert (answer.status_code, answer.json()) == (400, {"error": "unreadable"})
    assert site.inbox.bodies == []
    assert site.counted() == {"unreadable": 1}


def test_a_body_that_unpacks_to_gigabytes_is_not_unpacked(site: Site) -> None:
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
def test_whatever_somebody_thinks_of_it_is_answered_and_the_next_call_served(site: Site, body: bytes) -> None:
    assert site.post(body).status_code in {200, 400}
    assert site.post(b"{}").status_code == 200


def test_a_body_that_cannot_be_stored_is_asked_for_again(site: Site) -> None:
    site.inbox.broken = True
    assert site.post(b"{}").status_code == 503
    assert site.counted() == {"not_stored": 1}
    site.inbox.broken = False
    assert site.post(b"{}").status_code == 200


@pytest.mark.parametrize("secret", ["wrong", SECRET + "x", SECRET[:-1], "", SECRET.upper(), "ключ", "a/b"])
def test_with_a_wrong_secret_the_page_does_not_exist(site: Site, secret: str) -> None:
    answer = site.post(b"{}", secret)
    nowhere = site.client.post("/nowhere", content=b"{}")
    assert (answer.status_code, answer.json()) == (nowhere.status_code, nowhere.json()) == (404, {"error": "Not Found"})
    assert site.inbox.bodies == []
    assert site.counted() == {"bad_secret": 1}


def test_a_slash_at_the_end_of_the_url_changes_nothing(site: Site) -> None:
    assert site.post(b"{}", SECRET + "/").status_code == 200


def test_two_megabytes_are_refused_and_the_next_call_is_served(site: Site) -> None:
    answer = site.post(b'{"x": "' + b"a" * 2_000_000 + b'"}')
    assert (answer.status_code, answer.json()) == (413, {"error": "too_large"})
    assert site.counted() == {"too_large": 1}
    assert site.post(b"{}").status_code == 200


def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_not(site: Site) -> None:
    exact = b'"' + b"a" * (MAX_BODY_BYTES - 2) + b'"'
    assert site.post(exact).status_code == 200
    assert site.post(exact[:-1] + b'a"').status_code == 413


def test_a_body_without_a_declared_length_is_refused_before_it_has_all_arrived(site: Site) -> None:
    with socket.create_connection((site.client.base_url.host, site.client.base_url.port or 0), timeout=10) as link:
        head = f"POST /webhooks/1msg/{SECRET} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        link.sendall(head.encode())
        chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
        for _ in range(MAX_BODY_BYTES // 0x10000 + 1):  # the end of the body is never sent
            link.sendall(chunk)
        assert link.recv(100).startswith(b"HTTP/1.1 413")
    assert site.inbox.bodies == []


def test_a_caller_who_hangs_up_in_the_middle_leaves_nothing_behind(site: Site) -> None:
    with socket.create_connection((site.client.base_url.host, site.client.base_url.port or 0), timeout=10) as link:
        head = f"POST /webhooks/1msg/{SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        link.sendall(head.encode() + b'{"ack"')
    assert site.post(b"{}").status_code == 200
    assert site.inbox.bodies == [b"{}"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_only_post_is_answered(site: Site, method: str) -> None:
    answer = site.client.request(method, f"/webhooks/1msg/{SECRET}", params={"hub.challenge": "1"})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_without_a_configured_secret_there_is_no_such_page(
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


def test_the_secret_never_reaches_the_log(logged: io.StringIO, site: Site) -> None:
    site.post(b"{}")
    site.post(b"not json")
    site.inbox.broken = True
    site.post(b"{}")
    site.client.get(f"/webhooks/1msg/{SECRET}")
    text = logged.getvalue()
    assert "webhook_not_stored" in text
    assert SECRET not in text
