"""Any bytes from a stranger leave the server serving."""

import contextlib
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from consumer.clock import ManualClock
from consumer.web.health import Health
from consumer.web.routes import build
from tests.web.conftest import served

PIECES = [
    *(b"GET ", b"POST ", b"OPTIONS ", b"CONNECT ", b"/", b"//", b"/metrics", b"/webhooks/1msg/x", b"/readyz?a=%00"),
    *(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b" HTTP/9.9\r\n", b"\r\n", b"\n", b"\0", b"\xff" * 9, b"a" * 9_000),
    *(b"Host: x\r\n", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"Upgrade: websocket\r\nConnection: upgrade\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n"),
    *(b"5\r\nhello\r\n", b"0\r\n\r\n", b"fffffffffffffffff\r\n", b"1;x=y\r\na\r\n", b"Authorization: Basic =\r\n"),
]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    pages = build(health=Health(ManualClock().monotonic), metrics=CollectorRegistry())
    with served(pages) as address:
        yield int(address.rpartition(":")[2])


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=12))
def test_any_bytes_leave_the_server_serving(port: int, pieces: list[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                stranger.sendall(piece)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.1 200 OK")
