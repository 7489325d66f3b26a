"""`traceparent`: what the W3C's recommendation accepts, and nothing else."""

import pytest

from consumer.trace_context import headers_with, log_fields, traceparent_of

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_last_of_several_counts() -> None:
    headers = [("traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-00"), ("x", None)]
    assert traceparent_of([*headers, ("traceparent", TRACEPARENT.encode())]) == TRACEPARENT
    assert traceparent_of([*headers, ("traceparent", b"broken")]) is None


def test_what_is_read_is_written() -> None:
    assert traceparent_of(headers_with(TRACEPARENT)) == TRACEPARENT
    assert log_fields(TRACEPARENT) == {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}


@pytest.mark.parametrize("headers", [None, [], [("tracestate", b"a=b")], headers_with(None)])
def test_no_header(headers: list[tuple[str, bytes | None]] | None) -> None:
    assert traceparent_of(headers) is None
    assert log_fields(None) == {}


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff" * 55,
        TRACEPARENT.encode() + b"\n",
        TRACEPARENT.encode() + b"-extra",
        TRACEPARENT.upper().encode(),
        TRACEPARENT[:-1].encode(),
        b"ff" + TRACEPARENT[2:].encode(),
        b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-" + b"0" * 16 + b"-01",
        b"a" * 1_000_000,
    ],
)
def test_malformed_is_ignored(value: bytes | None) -> None:
    assert traceparent_of([("traceparent", value)]) is None
