"""What a stranger can make the web server hold, with raw sockets against the real server."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from consumer.web import bounded_http
from consumer.web.bounded_http import connection_limit, log_accept_errors_once
from consumer.web.server import serve

MOST = 20


async def _echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def port() -> Iterator[int]:
    with _served() as port:
        yield port


@contextmanager
def _served() -> Iterator[int]:
    app = Starlette(routes=[Route("/", _echo, methods=["GET", "POST"])])
    loop, stop, opened, ports = asyncio.new_event_loop(), asyncio.Event(), threading.Event(), list[int]()

    def listening(port: int) -> None:
        ports.append(port)
        opened.set()

    serving = serve(app, "127.0.0.1", 0, stop, most=MOST, listening=listening)
    thread = threading.Thread(target=lambda: loop.run_until_complete(serving))
    thread.start()
    try:
        assert opened.wait(10)
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def _send_until_closed(port: int, begin: bytes, piece: bytes, most: int = 100_000_000) -> int:
    """Send pieces until the server hangs up; return how many bytes it let us send."""
    sent = 0
    with _connect(port) as sock:
        sock.sendall(begin)
        try:
            while sent < most:
                sock.sendall(piece)
                sent += len(piece)
        except OSError:
            return sent
    return sent


def _is_closed(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"a: b\r\n" * 10_000),
        (b"GET / HTTP/1.1\r\nX: ", b"a" * 100_000),
        (b"GET /", b"a" * 100_000),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n", b"a: b\r\n" * 10_000),
    ],
    ids=["header lines", "one header", "request line", "trailers"],
)
def test_headers_without_end_close_the_connection(port: int, begin: bytes, piece: bytes) -> None:
    assert _send_until_closed(port, begin, piece) < 20_000_000  # what lies in the sockets' buffers
    assert httpx.get(f"http://127.0.0.1:{port}/").text == "0"


def test_a_body_longer_than_all_headers_is_read(port: int) -> None:
    assert httpx.post(f"http://127.0.0.1:{port}/", content=b"x" * 900_000).text == "900000"
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert [client.post("/", content=b"x" * 100_000).text for _ in range(5)] == ["100000"] * 5


def test_connections_over_the_limit_are_closed_and_the_others_go_on(port: int) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(_connect(port)) for _ in range(MOST)]
        held[0].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in held[0].recv(1_000)
        assert _is_closed(stack.enter_context(_connect(port)))
        held[1].close()
    assert httpx.get(f"http://127.0.0.1:{port}/").text == "0"


@pytest.mark.slow
@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTT"])
def test_headers_that_do_not_come_in_time_close_the_connection(
    port: int, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "HEADER_TIMEOUT_S", 0.2)
    with _connect(port) as sock:
        sock.sendall(begun)
        answered = b""
        try:
            while more := sock.recv(1_000):
                answered += more
        except ConnectionError:
            pass
        assert answered.count(b"200 OK") == begun.count(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("descriptors", "listeners", "most"),
    [(1_048_576, 1, 256), (1_024, 1, 256), (1_024, 2, 192), (300, 1, 37), (20, 1, 8)],
)
def test_descriptors_are_left_for_everything_else(descriptors: int, listeners: int, most: int) -> None:
    assert connection_limit(descriptors, listeners) == most


def test_accept_errors_are_logged_once_a_minute_and_others_as_ever() -> None:
    loop = asyncio.new_event_loop()
    others: list[dict[str, object]] = []
    try:
        log_accept_errors_once(loop)
        loop.default_exception_handler = others.append  # type: ignore[method-assign, assignment]
        refused = {"message": "socket.accept() out of system resource", "exception": OSError(24, "x"), "socket": None}
        with structlog.testing.capture_logs() as logs:
            for _ in range(1_000):
                loop.call_exception_handler(refused)
        loop.call_exception_handler({"message": "a task failed", "exception": ValueError()})
    finally:
        loop.close()
    assert [log["event"] for log in logs] == ["connections_not_accepted"]
    assert [other["message"] for other in others] == ["a task failed"]
