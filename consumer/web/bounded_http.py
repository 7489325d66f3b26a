"""HTTP with limits on what a stranger can make the server hold: connections, headers, and the time for both.

uvicorn with its fast parser limits none of these. So its protocol is extended here: a connection above the limit is
closed before a byte of it is read, and so is one whose headers are too many, too long, or too slow.
"""

import asyncio
import resource
from typing import Any, cast

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32_768
"""For the request line with all headers, and again for the trailers. Proxies and 1MSG send a few hundred bytes."""
HEADER_TIMEOUT_S = 10.0
"""From the connection, or from the first byte of a later request, to the last header."""
MAX_CONNECTIONS = 256
RESERVED_DESCRIPTORS = 256
"""File descriptors reserved for brokers, the ledger, 1MSG and the operators' own pages."""
LOG_INTERVAL_S = 60.0

_log = structlog.get_logger()


def connection_limit(descriptors: int | None = None, listeners: int = 1) -> int:
    """Return how many connections a listener may hold, so that enough file descriptors remain for everything else.

    `descriptors` is the limit of open files; that of this process by default.
    """
    if descriptors is None:
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    free = max(descriptors - RESERVED_DESCRIPTORS, descriptors // 4)
    return max(8, min(MAX_CONNECTIONS, free // (2 * listeners)))


def raise_descriptor_limit() -> None:
    """Raise this process's limit of open files to the system's maximum."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def log_accept_errors_once(loop: asyncio.AbstractEventLoop) -> None:
    """Log at most once a minute that connections cannot be accepted; asyncio would log it for each connection."""
    last: list[float] = []

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), OSError) or "socket" not in context:
            loop.default_exception_handler(context)
        elif not last or loop.time() - last[0] >= LOG_INTERVAL_S:
            last[:] = [loop.time()]
            _log.error("connections_not_accepted", reason=type(context["exception"]).__name__)

    loop.set_exception_handler(handle)


def bounded_protocol(most: int) -> type[HttpToolsProtocol]:
    """Return the protocol for a listener that holds at most `most` connections."""
    return cast("type[HttpToolsProtocol]", type("BoundedHttp", (_BoundedHttp,), {"most": most}))


class _BoundedHttp(HttpToolsProtocol):
    most: int
    _timer: asyncio.TimerHandle | None = None
    _in_headers = True
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
            return
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._in_headers:
            if self._timer is None:
                self._expect_headers()
            self._header_bytes += len(data)
        super().data_received(data)
        # Bytes of a body that came with the last header are no headers, so this is checked only within headers.
        if self._in_headers and self._header_bytes > MAX_HEADER_BYTES:
            self._abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS or sum(len(n) + len(v) for n, v in self.headers) > MAX_HEADER_BYTES:
            self.headers.clear()
            self._abort()

    def on_headers_complete(self) -> None:
        if self.transport.is_closing():
            return
        self._in_headers = False
        self._header_bytes = 0
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self.transport.is_closing():
            super().on_message_complete()
        self._in_headers = True

    def _expect_headers(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(HEADER_TIMEOUT_S, self._abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _abort(self) -> None:
        self._stop_timer()
        self.transport.abort()
