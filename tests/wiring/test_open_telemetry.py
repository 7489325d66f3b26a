"""Spans by OTLP: to a real collector, in the trace that they belong to, and never in the way."""

import sys

import pytest
import structlog

from consumer.config.errors import ConfigError
from consumer.config.sections.service import TelemetrySettings
from consumer.spans import TraceSpan
from consumer.wiring.open_telemetry import span_recorder

from .otlp_collector import collecting

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
pytestmark = pytest.mark.slow  # importing the SDK
EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


def span(flags: str | None = "01", name: str = "attempt") -> TraceSpan:
    traceparent = None if flags is None else f"00-{TRACE_ID}-{SPAN_ID}-{flags}"
    return TraceSpan(
        name=name, traceparent=traceparent, start=1_000, end=1_250, attributes={"attempt": 2, "reason": None}
    )


def test_spans_stand_in_the_trace_of_their_reminder() -> None:
    with collecting() as collector:
        with span_recorder(TelemetrySettings(otlp_endpoint=collector.url), {}) as record:
            assert record is not None
            record(span())
            record(span(flags="00", name="not sampled"))
            record(span(flags=None, name="of no trace"))
        assert [each.name for each in collector.spans] == ["attempt", "of no trace"]
        attempt, other = collector.spans
        assert (attempt.trace_id.hex(), attempt.parent_span_id.hex()) == (TRACE_ID, SPAN_ID)
        assert (attempt.start_time_unix_nano, attempt.end_time_unix_nano) == (1_000_000_000, 1_250_000_000)
        assert collector.attributes("attempt") == [{"lapse.attempt": 2}]
        assert (other.trace_id != attempt.trace_id, other.parent_span_id) == (True, b"")
        assert collector.services == {"lapse"}


def test_recording_does_not_wait_for_the_collector() -> None:
    with collecting() as collector:
        collector.answers.clear()
        with span_recorder(TelemetrySettings(otlp_endpoint=collector.url), {}) as record:
            assert record is not None
            for _ in range(600):  # more than a batch, so that one leaves at once
                record(span())
            assert collector.asked.wait(60)
            for _ in range(5_000):  # more than the queue holds
                record(span())
            assert collector.spans == []
            collector.answers.set()
        assert 600 <= len(collector.spans) <= 5_600


def test_standard_variable_turns_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "reminders")
        with span_recorder(TelemetrySettings()) as record:
            assert record is not None
            record(span())
        assert (len(collector.spans), collector.services) == (1, {"reminders"})


def test_off_by_default() -> None:
    with span_recorder(TelemetrySettings(), {}) as record:
        assert record is None


def test_without_the_extra_the_setting_is_refused_and_the_variable_only_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, EXPORTER, None)  # as if it were not installed
    with (
        pytest.raises(ConfigError, match=r"telemetry.otlp_endpoint: .* pip install 'lapse\[otel\]'"),
        span_recorder(TelemetrySettings(otlp_endpoint="http://collector:4318"), {}),
    ):
        pass
    variable = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    with structlog.testing.capture_logs() as logged, span_recorder(TelemetrySettings(), variable) as record:
        assert record is None
    assert [line["event"] for line in logged] == ["tracing_off"]
