"""What the console shows, who may see it, and that it has no names or numbers."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from consumer.clock import SECOND, SystemClock
from consumer.ledger.store import Ledger
from consumer.onemsg.outcomes import Rejected, Remedy, Unknown
from consumer.web.auth import ApiGuard
from consumer.web.console.routes import Console, reuse_time
from consumer.web.health import Health
from consumer.web.routes import build
from tests.timelines.deliver_diary import Diary

from .conftest import UNHURRIED

Serving = Callable[[ASGIApp], httpx.Client]
TOKEN = "a-token-of-the-tests"


@pytest.fixture
def diary(tmp_path: Path) -> Iterator[Diary]:
    diary = Diary(tmp_path)
    yield diary
    diary.close()


def shown(serving: Serving, ledger: Ledger | None, guard: ApiGuard, health: Health | None = None) -> httpx.Client:
    clock = SystemClock()
    health = health or Health(clock.monotonic)
    console = Console(health, ledger, clock)
    return serving(build(health=health, metrics=CollectorRegistry(), api=console.routes(guard)))


HERE = ApiGuard(None, open_to_this_machine=True)
ASKS = ApiGuard(TOKEN, open_to_this_machine=True, wrong_secrets=UNHURRIED)


def test_page_shows_counts_doubts_and_stopped_channels(serving: Serving, diary: Diary) -> None:
    diary.onemsg.answers = [
        Unknown(reason="timeout"),
        Rejected(reason="template_paused", remedy=Remedy.CHANNEL, template=True),
    ]
    diary.knows("maria").due("maria").works()
    diary.knows("tom", "Tom", "+34 612 000 000").due("tom").due("nobody").works()
    client = shown(serving, diary.ledger, HERE)
    seen: dict[str, Any] = client.get("/api/overview").json()
    assert {(r["status"], r["reason"], r["count"]) for r in seen["reminders"]} == {
        ("unknown", "timeout", 1),
        ("deferred", "template_unusable", 1),
        ("deferred", "no_contact", 1),
    }
    (doubt,) = seen["in_doubt"]
    assert (doubt["user_id"], doubt["status"], doubt["attempts"], seen["doubts"]) == ("maria", "unknown", 1, 1)
    (stop,) = seen["stopped"]
    assert (stop["name"], stop["stopped_because"]) == ("whatsapp/inactivity_reminder/en", "template_paused")
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for table in re.findall("<table>.*?</table>", page.text):
        head, *rows = (row.count("</th>") + row.count("</td>") for row in table.split("</tr>")[:-1])
        assert set(rows) <= {head}, table
    for word in ("maria", "unknown", "template_paused", "lapse resolve", "no_contact"):
        assert word in page.text
    for secret in ("612", "Maria", "Tom"):
        assert secret not in page.text + client.get("/api/overview").text


def test_page_of_an_empty_ledger(serving: Serving, diary: Diary) -> None:
    page = shown(serving, diary.ledger, HERE).get("/").text
    assert "<p class=good>none</p>" in page
    assert "<p class=good>nothing</p>" in page


def test_page_without_deliver_shows_health(serving: Serving) -> None:
    health = Health(SystemClock().monotonic)
    health.register("detect").ok("<b>the brake is engaged</b>")
    client = shown(serving, None, HERE, health)
    assert client.get("/api/overview").json()["parts"] == {
        "detect": {"ok": True, "detail": "<b>the brake is engaged</b>"}
    }
    assert "&lt;b&gt;the brake is engaged" in client.get("/").text


def test_user_id_is_escaped(serving: Serving, diary: Diary) -> None:
    diary.onemsg.answers = [Unknown(reason="timeout")]
    user = "<script>alert(1)</script>"
    diary.knows(user).due(user).works()
    answer = shown(serving, diary.ledger, HERE).get("/")
    assert "<script" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/", "/api/overview", "/api/openapi.json"])
def test_token_is_required_if_set(serving: Serving, diary: Diary, path: str) -> None:
    client = shown(serving, diary.ledger, ASKS)
    wrongs: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Basic !"},
    )
    for wrong in wrongs:
        assert client.get(path, headers=wrong).status_code == 401
    assert client.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_browser_password_opens_the_page_only(serving: Serving, diary: Diary) -> None:
    client = shown(serving, diary.ledger, ASKS)
    assert client.get("/").headers["www-authenticate"].startswith("Basic ")
    assert client.get("/", auth=("anybody", TOKEN)).status_code == 200
    assert client.get("/", auth=("anybody", "wrong")).status_code == 401
    assert client.get("/api/overview", auth=("anybody", TOKEN)).status_code == 401
    assert client.get("/api/overview").headers["www-authenticate"] == "Bearer"


def test_without_a_token_only_loopback_is_allowed(serving: Serving, diary: Diary) -> None:
    closed = shown(serving, diary.ledger, ApiGuard(None, open_to_this_machine=False))
    assert closed.get("/").status_code == 403
    assert "web.api_token" in closed.get("/api/overview").json()["error"]
    here = shown(serving, diary.ledger, HERE)
    for foreign in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        assert here.get("/", headers=foreign).status_code == 403


def test_invisible_characters_are_named(serving: Serving, diary: Diary) -> None:
    health = Health(SystemClock().monotonic)
    health.register("sender").ok("stopped: \u202eevil\u2066 \x07\u200b\ufeff<b>")
    page = shown(serving, diary.ledger, HERE, health).get("/").text
    assert "stopped: ⟨U+202E⟩evil⟨U+2066⟩ ⟨U+0007⟩⟨U+200B⟩⟨U+FEFF⟩&lt;b&gt;" in page
    assert "\u202e" not in page


def test_openapi_describes_the_routes(serving: Serving, diary: Diary) -> None:
    told = shown(serving, diary.ledger, HERE).get("/api/openapi.json").json()
    assert told["openapi"] == "3.1.0"
    assert set(told["paths"]) == {"/api/overview", "/api/openapi.json"}
    shape = told["paths"]["/api/overview"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert set(shape["required"]) == set(shown(serving, diary.ledger, HERE).get("/api/overview").json())


@pytest.mark.slow
def test_concurrent_reloads_count_the_ledger_once(serving: Serving, diary: Diary) -> None:
    client = shown(serving, diary.ledger, HERE)
    moments = sorted({client.get("/api/overview").json()["at"] for _ in range(20)})
    assert all(after - before >= SECOND // 2 for before, after in pairwise(moments))


def test_reuse_time_grows_with_counting_time() -> None:
    assert [reuse_time(counting) for counting in (0, 10, 50, 100, 3_000)] == [500, 500, 2_500, 5_000, 5_000]
