"""Health, readiness, metrics, and unknown pages."""

import socket
from collections.abc import Callable

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from consumer.clock import MINUTE, SECOND, ManualClock
from consumer.metrics import DetectMetrics
from consumer.web.health import Health
from consumer.web.routes import build
from consumer.web.server import PortTaken, listen

Serving = Callable[[ASGIApp], httpx.Client]


def test_new_part_is_alive_but_not_ready(serving: Serving) -> None:
    health = Health(ManualClock().monotonic)
    health.register("sender")
    client = serving(build(health=health, metrics=CollectorRegistry()))
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "parts": {"sender": {"ok": False, "detail": "has not started yet"}},
    }


def test_part_that_is_not_ok_may_be_ready(serving: Serving) -> None:
    health = Health(ManualClock().monotonic)
    health.register("sender").impaired("1MSG does not take the token")
    answer = serving(build(health=health, metrics=CollectorRegistry())).get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "parts": {"sender": {"ok": False, "detail": "1MSG does not take the token"}},
    }


def test_ready_if_every_part_makes_progress(serving: Serving) -> None:
    health = Health(ManualClock().monotonic)
    sender, tracker = health.register("sender"), health.register("tracker")
    client = serving(build(health=health, metrics=CollectorRegistry()))
    sender.ok("channel stopped: wrong_token")
    assert client.get("/readyz").status_code == 503
    tracker.ok()
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["parts"]["sender"] == {"ok": True, "detail": "channel stopped: wrong_token"}


def test_failing_part_is_alive_with_its_reason(serving: Serving) -> None:
    health = Health(ManualClock().monotonic)
    feed = health.register("feed")
    client = serving(build(health=health, metrics=CollectorRegistry()))
    feed.ok()
    feed.failing("no broker answers")
    assert client.get("/healthz").json() == {"alive": True, "dead": []}
    assert client.get("/readyz").json()["parts"]["feed"] == {"ok": False, "detail": "no broker answers"}


def test_silent_part_is_not_ready_then_dead_until_it_reports() -> None:
    clock = ManualClock()
    health = Health(clock.monotonic)
    part = health.register("outbox", stale_after_ms=30 * SECOND, dead_after_ms=5 * MINUTE)
    part.ok("idle")
    clock.advance(30 * SECOND)
    assert health.states()["outbox"].ok
    clock.advance(1)
    assert not health.states()["outbox"].ok
    assert health.states()["outbox"].detail == "no report for 30 s"
    assert health.dead() == []
    clock.advance(5 * MINUTE - 30 * SECOND)
    assert health.dead() == ["outbox"]
    part.ok()
    assert health.states()["outbox"].ok
    assert health.dead() == []


def test_part_that_hangs_in_a_call_tells_whom_it_waits_for() -> None:
    clock = ManualClock()
    health = Health(clock.monotonic)
    part = health.register("detect")
    part.ok("4 partitions")
    with part.waiting("the broker"):
        clock.advance(5 * SECOND)
        assert health.states()["detect"].ok, "most calls are answered soon"
        clock.advance(1)
        assert not health.states()["detect"].ready
        assert health.states()["detect"].detail == "waiting for the broker"
        clock.advance(10 * MINUTE)
        assert health.states()["detect"].detail == "waiting for the broker"
        assert health.dead() == ["detect"], "perhaps it never returns"
    clock.advance(1)
    assert health.states()["detect"].detail == "no report for 605 s"


def test_wall_clock_jump_makes_no_part_stale() -> None:
    clock = ManualClock()
    health = Health(clock.monotonic)
    health.register("sender").ok()
    clock.jump(60 * MINUTE)
    assert health.states()["sender"].ok


def test_liveness_names_dead_parts(serving: Serving) -> None:
    clock = ManualClock()
    health = Health(clock.monotonic)
    health.register("detect", dead_after_ms=MINUTE).ok()
    health.register("sender", dead_after_ms=60 * MINUTE).ok()
    clock.advance(2 * MINUTE)
    answer = serving(build(health=health, metrics=CollectorRegistry())).get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"alive": False, "dead": ["detect"]})


def test_readiness_runs_the_probes(serving: Serving) -> None:
    broken = True

    async def ledger() -> None:
        if broken:
            raise OSError("could not connect to postgresql://lapse:hunter2@db")

    client = serving(
        build(health=Health(ManualClock().monotonic), metrics=CollectorRegistry(), probes={"ledger": ledger})
    )
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["parts"]) == (503, {"ledger": {"ok": False, "detail": "OSError"}})
    assert "hunter2" not in answer.text
    broken = False
    assert client.get("/readyz").json() == {"ready": True, "parts": {"ledger": {"ok": True, "detail": None}}}


def test_metrics_are_valid_prometheus_text(serving: Serving) -> None:
    registry = CollectorRegistry()
    DetectMetrics(registry).tracked_keys.labels("0").set(7)
    answer = serving(build(health=Health(ManualClock().monotonic), metrics=registry)).get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'lapse_tracked_keys{partition="0"} 7.0' in answer.text


@pytest.mark.parametrize("path", ["/", "/nowhere", "/metrics/", "/healthz/x"])
def test_unknown_page_is_json_404(serving: Serving, path: str) -> None:
    answer = serving(build(health=Health(ManualClock().monotonic), metrics=CollectorRegistry())).get(path)
    assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})


def test_no_answer_waits_for_an_acknowledgement() -> None:
    with listen("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        accepted.close()
        client.close()


def test_taken_port_is_named_with_its_setting_and_what_to_do() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken) as found:
            listen("127.0.0.1", port, "web.public.port")
    assert str(found.value) == (
        f"web.public.port: cannot listen on 127.0.0.1:{port}: Address already in use; another process listens there,"
        " perhaps the other role: give this one another, LAPSE_WEB__PUBLIC__PORT=…"
    )
