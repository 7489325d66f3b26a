"""A trace context from the activity's record to those of `reminders` and `delivery-status`, and the spans that a
collector of traces gets."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.app.service import Platform, Sandbox, Service, eventually
from tests.wiring.otlp_collector import Collector, collecting

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NAMES = ("lapse", "attempt", "status")
OTHER = TRACEPARENT.replace("4bf9", "beef")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


def test_trace_context_end_to_end(service: Service, platform: Platform, channel: Sandbox, collector: Collector) -> None:
    telemetry = {"carry_traceparent": True, "otlp_endpoint": collector.url}
    service.configure(telemetry=telemetry, log={"level": "debug", "format": "json"})
    for number, user in enumerate(("traced", "untraced")):
        platform.knows(user, name=user, phone=f"+34 612 00{number} 999")
    platform.flush()
    service.start()
    before = int(time.time() * 1000) - 1_000
    platform.says("traced", "STARTED", headers={"traceparent": OTHER}, occurred_at=before)
    platform.says("traced", "PROGRESSED", headers={"traceparent": TRACEPARENT, "tracestate": "a=b"})
    platform.says("untraced", "STARTED", headers={"traceparent": "nothing that anybody knows"})
    platform.flush()
    reminders, statuses = platform.reads("reminders", "reminder"), platform.reads("delivery_status", "delivery_status")
    eventually(lambda: sum(r["final"] for r in statuses.so_far()) >= 2, meaning="both are final")

    eventually(lambda: sum(r["kind"] == "DUE" for r in reminders.so_far()) >= 2, meaning="both were asked for")
    due = {r["user_id"]: h for r, h in zip(reminders.so_far(), reminders.headers, strict=True) if r["kind"] == "DUE"}
    carried = {"traceparent": TRACEPARENT.encode()}
    assert due == {"traced": carried, "untraced": {}}
    for status, headers in zip(statuses.so_far(), statuses.headers, strict=True):
        assert headers == due[status["user_id"]]
    assert TRACEPARENT[3:35] in service.log
    assert OTHER[3:35] not in service.log
    assert {message["params"][0] for message in channel.messages()} == {"traced", "untraced"}
    assert service.stop() == 0

    mine = [span for span in collector.spans if span.trace_id.hex() == TRACEPARENT[3:35]]
    assert {span.parent_span_id.hex() for span in mine} == {TRACEPARENT[36:52]}
    spans = collector.attributes("status")
    eventually(lambda: len(statuses.so_far()) == len(spans), meaning="a span for each status")
    told = [status["status"] for status in statuses.so_far() if status["user_id"] == "traced"]
    assert Counter(span.name for span in mine) == {"lapse": 1, "attempt": 1, "status": len(told)}
    assert sorted(each["lapse.status"] for each in spans) == sorted(each["status"] for each in statuses.so_far())
    assert {each["lapse.outcome"] for each in collector.attributes("attempt")} == {"accepted"}
    told_of = {key.removeprefix("lapse.") for name in NAMES for each in collector.attributes(name) for key in each}
    assert told_of <= {
        "reminder_id",
        "process",
        "step",
        "medium",
        "status",
        "reason",
        "source",
        "attempt",
        "outcome",
        "final",
    }
