"""Exports spans by OTLP over HTTP, with OpenTelemetry's SDK: the extra `otel`.

Finished spans wait in a queue that a thread of the SDK empties. Where the collector is away, or slower than they come,
spans are lost and nothing else.
"""

import importlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version

import structlog

from consumer.config.errors import ConfigError
from consumer.config.sections.service import TelemetrySettings
from consumer.spans import SpanRecorder, TraceSpan
from consumer.trace_context import TRACEPARENT

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""The standard variables that say where traces go."""
_INSTALL = "OpenTelemetry is not installed: pip install 'lapse[otel]'"
_SHUTDOWN_S = 15  # an export gives up after ten
_NS_PER_MS = 1_000_000
_log = structlog.get_logger()


@contextmanager
def span_recorder(
    settings: TelemetrySettings, environ: Mapping[str, str] = os.environ
) -> Iterator[SpanRecorder | None]:
    """Yield what records spans, None where tracing is off; on leaving, what still waits is exported for a while.

    Raises ConfigError where `telemetry.otlp_endpoint` is set, and OpenTelemetry is not installed.
    """
    if not settings.otlp_endpoint and not any(environ.get(name) for name in _ENDPOINTS):
        yield None
    elif _is_installed():
        with _exporting(settings.otlp_endpoint, environ) as record:
            yield record
    elif settings.otlp_endpoint:
        raise ConfigError([f"telemetry.otlp_endpoint: {_INSTALL}, or remove the setting"])
    else:  # somebody gives the variables to all processes, so they are no reason not to start
        _log.warning("tracing_off", why=_INSTALL)
        yield None


def _is_installed() -> bool:
    try:
        importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError:
        return False
    return True


@contextmanager
def _exporting(endpoint: str | None, environ: Mapping[str, str]) -> Iterator[SpanRecorder]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    service = {"service.name": environ.get("OTEL_SERVICE_NAME") or "lapse", "service.version": version("lapse")}
    provider = TracerProvider(resource=Resource.create(service), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=endpoint and endpoint.rstrip("/") + "/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer, propagator = provider.get_tracer("lapse"), TraceContextTextMapPropagator()

    def record(span: TraceSpan) -> None:
        try:
            parent = propagator.extract({} if span.traceparent is None else {TRACEPARENT: span.traceparent})
            attributes = {f"lapse.{name}": value for name, value in span.attributes.items() if value is not None}
            started = tracer.start_span(span.name, parent, attributes=attributes, start_time=span.start * _NS_PER_MS)
            started.end(max(span.start, span.end) * _NS_PER_MS)
        except Exception:  # noqa: BLE001 - whatever it is, the reminder does not depend on it
            _log.exception("span_not_recorded", span=span.name)

    try:
        yield record
    finally:
        # It waits for a collector that does not answer; in a daemon, it keeps no process from ending.
        closing = threading.Thread(target=provider.shutdown, daemon=True)
        closing.start()
        closing.join(_SHUTDOWN_S)
