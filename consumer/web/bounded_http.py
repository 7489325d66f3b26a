"""HTTP with limits on what a stranger can make the server hold: connections, headers, and the time for both.

uvicorn with its fast parser limits none of these. So its protocol is extended here: a connection is closed whose
headers or trailers are too many or too long, whose requests come faster than their answers, or whose request, answer
or silence takes too long. Where there are too many connections, the one closes that has waited longest for its
sender (for a request, the rest of its body, or the reading of an answer), of the address that holds most.
"""

import asyncio
import resource
from collections import Counter
from typing import Any, cast

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32_768
"""For the request line with all headers and trailers. Proxies and 1MSG send a few hundred bytes."""
MAX_FRAMING_PER_BODY_BYTE = 8
"""A chunk of one byte is framed by five."""
MAX_PIPELINED = 8
"""Requests that are received while another is answered. Proxies and 1MSG send none."""
HEADER_TIMEOUT_S = 10.0
"""From the connection, or from the last answer, to the last header of the next request. What is still to be sent of
the answer, or received of its request's body, has this long as well."""
REQUEST_TIMEOUT_S = 60.0
"""From the last header to the end of the answer."""
ACCEPTED_AT_ONCE = 32
"""Connections that are accepted before those above the limit are closed."""
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
    members = {"most": most, "held": set(), "waiting": {}}
    return cast("type[HttpToolsProtocol]", type("BoundedHttp", (_BoundedHttp,), members))


class _BoundedHttp(HttpToolsProtocol):
    most: int
    held: "set[_BoundedHttp]"
    waiting: "dict[_BoundedHttp, None]"
    """Those of `held` that wait for their sender, the longest wait first."""

    _timer: asyncio.TimerHandle | None = None
    _received = 0
    """Bytes of this message: of its header, its body, and the framing of its body."""
    _body_received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.held.add(self)
        if len(self.held) > self.most:
            self._least_needed()._abort()
        if not transport.is_closing():
            self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._received += len(data)
        super().data_received(data)
        allowed = MAX_HEADER_BYTES + MAX_FRAMING_PER_BODY_BYTE * self._body_received
        if self._received - self._body_received > allowed or len(self.pipeline) > MAX_PIPELINED:
            self._abort()

    def on_message_begin(self) -> None:
        if len(self.pipeline) > MAX_PIPELINED:
            self._abort()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self.transport.is_closing():
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.transport.is_closing():
            return
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS or sum(len(n) + len(v) for n, v in self.headers) > MAX_HEADER_BYTES:
            self.headers.clear()
            self._abort()

    def on_headers_complete(self) -> None:
        if self.transport.is_closing():
            return
        self._abort_after(REQUEST_TIMEOUT_S)
        super().on_headers_complete()
        self._judge()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            self._body_received += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._received = self._body_received = 0
        if not self.transport.is_closing():
            super().on_message_complete()
            self._judge()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._judge()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._judge()

    def on_response_complete(self) -> None:
        follows = bool(self.pipeline)
        super().on_response_complete()
        if follows:
            self._judge()
            self._abort_after(REQUEST_TIMEOUT_S)
        elif self in self.held:
            self._wait_for_request()

    def _least_needed(self) -> "_BoundedHttp":
        """Return whoever waits longest for its sender, of the address that holds most connections; this one if nobody
        waits. So silent and slow connections keep no request out, and one address keeps no other out."""
        held = Counter(each.client and each.client[0] for each in self.held)
        return max(self.waiting, key=lambda each: held[each.client and each.client[0]], default=self)

    def _wait_for_request(self) -> None:
        self._judge()
        self._abort_after(HEADER_TIMEOUT_S)

    def _judge(self) -> None:
        """Decide whether this connection makes way from now on, after those that do already."""
        self.waiting.pop(self, None)
        if self in self.held and not self._is_answering():
            self.waiting[self] = None

    def _is_answering(self) -> bool:
        """Return whether a whole request is being answered, and the answer is read."""
        latest = self.cycle
        whole = bool(self.pipeline) or (latest and not latest.more_body and not latest.response_complete)
        return bool(whole) and not self.flow.write_paused

    def _abort_after(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _release(self) -> None:
        self._stop_timer()
        self.held.discard(self)
        self.waiting.pop(self, None)

    def _abort(self) -> None:
        self._release()
        self.transport.abort()
