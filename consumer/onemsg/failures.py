"""What a request that got no answer means: certainly never sent, or unknown. Pure.

httpx (through httpcore) raises the errors in `_BEFORE` only while it waits for a connection or makes one; the request
is written afterwards, by other code that raises other errors. A connection kept open from before and closed by the
server just as we used it looks like one that died after it had read us, so it is unknown as well.
"""

import socket
import ssl
from collections.abc import Iterator, Sequence

import httpx

from consumer.onemsg.masking import safe
from consumer.onemsg.outcomes import NotTransmitted, Unknown


class TooLong(Exception):
    """An answer is longer than any that 1MSG has reason to give."""


_BEFORE: tuple[tuple[type[Exception], str], ...] = (
    (httpx.PoolTimeout, "no_connection"),
    (httpx.ConnectTimeout, "connect_timeout"),
    (httpx.ConnectError, "connect"),
    (httpx.ProxyError, "proxy"),  # the proxy refused to open a tunnel
    (httpx.UnsupportedProtocol, "bad_address"),
    (httpx.InvalidURL, "bad_address"),
)

_AFTER: tuple[tuple[type[Exception], str], ...] = (
    (httpx.TimeoutException, "timeout"),
    (httpx.DecodingError, "unreadable_answer"),
    (TooLong, "unreadable_answer"),
    (TimeoutError, "timeout"),  # our own limit for the whole request
)


def outcome_of(error: Exception, hide: Sequence[str] = ()) -> NotTransmitted | Unknown:
    """The outcome of an attempt that ended in `error`. What is not known to come before sending is unknown."""
    words = f"{type(error).__name__}: {safe(str(error), hide)}".removesuffix(": ")
    for kind, reason in _BEFORE:
        if isinstance(error, kind):
            return NotTransmitted(reason=_finer(error, reason), error=words)
    reason = next((reason for kind, reason in _AFTER if isinstance(error, kind)), "reset")
    return Unknown(reason=reason, error=words)


def _finer(error: Exception, reason: str) -> str:
    """Which step of connecting it was."""
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "name_resolution"
    return "tls" if any(isinstance(cause, ssl.SSLError) for cause in causes) else reason


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        yield step
        step = step.__cause__ or step.__context__
