"""Who may see and release the brake over HTTP."""

import threading
from concurrent.futures import Future

import httpx
import pytest
from prometheus_client import CollectorRegistry

from consumer.clock import SystemClock
from consumer.detect.brake import BrakeRules
from consumer.kafka.detect_loop.brake_control import BrakeControl
from consumer.metrics import DetectMetrics
from consumer.web import routes as pages
from consumer.web.api import brake
from consumer.web.auth import ApiGuard, is_loopback
from consumer.web.health import Health

from .conftest import UNHURRIED, Serving

TOKEN = "a token that nobody guesses"


def client(serving: Serving, guard: ApiGuard) -> httpx.Client:
    clock = SystemClock()
    brake_control = BrakeControl(BrakeRules(), clock, DetectMetrics(CollectorRegistry()))
    threading.Thread(target=_turns, args=(brake_control,), daemon=True).start()
    routes = brake.routes(brake_control, guard)
    return serving(pages.build(health=Health(clock.monotonic), metrics=CollectorRegistry(), api=routes))


def _turns(brake_control: BrakeControl) -> None:
    """What detect's loop does, for as long as the test lives."""
    beat: Future[None] = Future()
    for _ in range(600):
        brake_control.update({})
        try:
            beat.result(0.05)
        except TimeoutError:
            continue


def test_brake_needs_no_token_on_loopback(serving: Serving) -> None:
    api = client(serving, ApiGuard(None, open_to_this_machine=True))
    nothing: dict[str, object] = {"engaged": None, "released": None, "held": 0, "distrusted": [], "words": []}
    assert api.get("/api/brake").json() == nothing
    assert api.post("/api/brake/release").json() == nothing
    assert api.get("/api/brake/release").status_code == 405


def test_web_page_in_a_local_browser_cannot_release(serving: Serving) -> None:
    api = client(serving, ApiGuard(None, open_to_this_machine=True))
    assert api.post("/api/brake/release", headers={"origin": "https://evil.example"}).status_code == 403
    assert api.get("/api/brake", headers={"host": "rebound.example:8080"}).status_code == 403


def test_brake_is_closed_without_a_token_elsewhere(serving: Serving) -> None:
    api = client(serving, ApiGuard(None, open_to_this_machine=False))
    refused = api.post("/api/brake/release")
    assert refused.status_code == 403
    assert "web.api_token" in refused.json()["error"]


@pytest.mark.parametrize("told", ["", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer", "Bearer \xfc"])
def test_wrong_token_is_refused(serving: Serving, told: str) -> None:
    api = client(serving, ApiGuard(TOKEN, open_to_this_machine=False, wrong_secrets=UNHURRIED))
    headers = {"authorization": told.encode("latin-1")}
    refused = api.post("/api/brake/release", headers=headers)  # type: ignore[arg-type]
    assert refused.status_code == 401
    assert TOKEN not in refused.text


def test_right_token_is_accepted(serving: Serving) -> None:
    api = client(serving, ApiGuard(TOKEN, open_to_this_machine=False, wrong_secrets=UNHURRIED))
    assert api.get("/api/brake", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.9.9.9"])
def test_loopback_addresses(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "lapse.example", "127.0.0.1.example", ""])
def test_other_addresses_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)
