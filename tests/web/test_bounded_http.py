"""What a stranger can make the web server hold, with raw sockets against the real server."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from consumer.web import bounded_http
from consumer.web.bounded_http import connection_limit, log_accept_errors_once

from .conftest import served

MOST = 20
_CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


async def _echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def _refuse(request: Request) -> PlainTextResponse:
    return PlainTextResponse("no", 404)


async def _large(request: Request) -> PlainTextResponse:
    return PlainTextResponse("a" * 20_000_000)


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("a" * 4_000_000)


@pytest.fixture
def released() -> threading.Event:
    """Ends the answers of `/held`, which begin at once."""
    return threading.Event()


@pytest.fixture
def port(released: threading.Event) -> Iterator[int]:
    async def answer_slowly() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.to_thread(released.wait, 10)

    async def held(request: Request) -> StreamingResponse:
        await request.body()
        return StreamingResponse(answer_slowly())

    app = Starlette(
        routes=[
            Route("/", _echo, methods=["GET", "POST"]),
            Route("/closed", _refuse, methods=["POST"]),
            Route("/large", _large),
            Route("/page", _page),
            Route("/held", held, methods=["POST"]),
        ]
    )
    with served(app, MOST) as address:
        yield int(address.rpartition(":")[2])


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


def _until_closed(sock: socket.socket) -> bytes:
    """Return what the server sends before it hangs up."""
    answered = b""
    try:
        while more := sock.recv(100_000):
            answered += more
    except ConnectionError:
        pass
    return answered


def _until_told(sock: socket.socket, words: bytes) -> None:
    """Read up to these words of the server."""
    told = b""
    while words not in told:
        more = sock.recv(1_000)
        assert more, told
        told += more


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"a: b\r\n" * 10_000),
        (b"GET / HTTP/1.1\r\nX: ", b"a" * 100_000),
        (b"GET /", b"a" * 100_000),
        (_CHUNKED + b"1\r\na\r\n0\r\n", b"a: b\r\n" * 10_000),
        (_CHUNKED + b"1\r\na\r\n0\r\nX: ", b"a" * 100_000),
        (_CHUNKED + b"1\r\na\r\n1;", b"a" * 100_000),
        (b"", b"GET / HTTP/1.1\r\n\r\n" * 5_000),
    ],
    ids=[
        "header lines",
        "one header",
        "request line",
        "trailers",
        "one trailer",
        "chunk extension",
        "pipelined requests",
    ],
)
def test_what_has_no_end_closes_the_connection(port: int, begin: bytes, piece: bytes) -> None:
    assert _send_until_closed(port, begin, piece) < 20_000_000  # what lies in the sockets' buffers
    assert httpx.get(f"http://127.0.0.1:{port}/").text == "0"


def test_a_body_longer_than_all_headers_is_read(port: int) -> None:
    assert httpx.post(f"http://127.0.0.1:{port}/", content=b"x" * 900_000).text == "900000"
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert [client.post("/", content=b"x" * 100_000).text for _ in range(5)] == ["100000"] * 5


def test_a_body_of_chunks_of_one_byte_is_read(port: int) -> None:
    assert httpx.post(f"http://127.0.0.1:{port}/", content=iter([b"x"] * 20_000)).text == "20000"


def test_a_few_pipelined_requests_are_answered(port: int) -> None:
    with _connect(port) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n" * 4 + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert _until_closed(sock).count(b"200 OK") == 5


def test_idle_connections_keep_no_request_out(port: int) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(_connect(port)) for _ in range(3 * MOST)]
        assert httpx.get(f"http://127.0.0.1:{port}/").text == "0"
        assert _until_closed(idle[0]) == b""
        idle[-1].sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in _until_closed(idle[-1])


def test_one_address_does_not_close_the_idle_connections_of_another(port: int) -> None:
    with ExitStack() as stack:
        other = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10, ("127.0.0.2", 0)))
        for _ in range(3 * MOST):
            stack.enter_context(_connect(port))
        other.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in _until_closed(other)


def test_requests_in_progress_are_kept_and_more_are_refused(port: int, released: threading.Event) -> None:
    with ExitStack() as stack:
        busy = [stack.enter_context(_connect(port)) for _ in range(MOST)]
        for sock in busy:
            sock.sendall(b"POST /held HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nxx")
            assert sock.recv(1_000).startswith(b"HTTP/1.1 200")
        assert _until_closed(stack.enter_context(_connect(port))) == b""
        released.set()
        for sock in busy:
            assert _until_closed(sock).endswith(b"0\r\n\r\n")


_SLOW = b"POST / HTTP/1.1\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
"""The server asks for its body as soon as it waits for it."""


@pytest.mark.parametrize("before", [b"", b"GET / HTTP/1.1\r\n\r\n"], ids=["first", "after another request"])
def test_bodies_that_do_not_come_keep_no_request_out(port: int, before: bytes) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(_connect(port)) for _ in range(MOST)]
        for sock in slow:
            sock.sendall(before + _SLOW)
            _until_told(sock, b"100 Continue")
            sock.sendall(b"t")
        assert [httpx.get(f"http://127.0.0.1:{port}/").text for _ in range(5)] == ["0"] * 5
        assert _until_closed(slow[0]) == b""


def test_answers_that_nobody_reads_keep_no_request_out(port: int) -> None:
    with ExitStack() as stack:
        deaf = [stack.enter_context(socket.socket()) for _ in range(MOST)]
        for sock in deaf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.settimeout(10)
            sock.connect(("127.0.0.1", port))
            sock.sendall(b"GET /page HTTP/1.1\r\n\r\n" * 2)
            assert sock.recv(1)
        assert [httpx.get(f"http://127.0.0.1:{port}/").text for _ in range(5)] == ["0"] * 5


def test_a_body_that_comes_slowly_is_read_while_there_is_room(port: int) -> None:
    with _connect(port) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nx")
        assert httpx.get(f"http://127.0.0.1:{port}/").text == "0"
        sock.sendall(b"x")
        assert _until_closed(sock).endswith(b"\r\n\r\n2")


def test_whoever_began_a_request_last_makes_way_last(port: int) -> None:
    with ExitStack() as stack:
        first, second = (stack.enter_context(_connect(port)) for _ in range(2))
        second.sendall(b"GET / HTTP/1.1\r\n\r\n")
        _until_told(second, b"\r\n\r\n0")
        first.sendall(_SLOW)
        _until_told(first, b"100 Continue")
        for _ in range(MOST - 1):
            stack.enter_context(_connect(port))
        assert _until_closed(second) == b""
        first.sendall(b"x" * 100)
        _until_told(first, b"200 OK")


@pytest.mark.slow
@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTT"])
def test_headers_that_do_not_come_in_time_close_the_connection(
    port: int, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "HEADER_TIMEOUT_S", 0.2)
    with _connect(port) as sock:
        sock.sendall(begun)
        assert _until_closed(sock).count(b"200 OK") == begun.count(b"\r\n\r\n")


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/", "/closed"])
def test_a_body_that_does_not_come_in_time_closes_the_connection(
    port: int, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "HEADER_TIMEOUT_S", 0.2)
    monkeypatch.setattr(bounded_http, "REQUEST_TIMEOUT_S", 0.2)
    with _connect(port) as sock:
        sock.sendall(f"POST {path} HTTP/1.1\r\nContent-Length: 1000000\r\n\r\na".encode())
        assert _until_closed(sock).count(b"404") == (path == "/closed")


@pytest.mark.slow
def test_an_answer_that_nobody_reads_closes_the_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "HEADER_TIMEOUT_S", 0.2)
    monkeypatch.setattr(bounded_http, "REQUEST_TIMEOUT_S", 0.2)
    with _connect(port) as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        assert sock.recv(1)
        while True:  # a connection that the server has given up takes nothing more
            try:
                sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            except ConnectionError:
                break
    assert httpx.get(f"http://127.0.0.1:{port}/").text == "0"


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
