"""What a request that got no answer means: certainly never sent, or unknown. Pure.

aiohttp raises the errors in `_BEFORE` only while it makes a connection (`ClientSession._request` reads so); the request
is written afterwards, by other code that raises other errors. A connection kept open from before and closed by the
server just as we used it looks like one that died after it had read us, so it is unknown as well.
"""

from collections.abc import Iterator, Sequence

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

from consumer.onemsg.masking import mask_text
from consumer.onemsg.outcomes import NotTransmitted, Unknown


class NoConnection(Exception):
    """All connections were in use for too long."""


class TooLong(Exception):
    """An answer is longer than any that 1MSG has reason to give."""


FAILURES = (aiohttp.ClientError, OSError, UnicodeError, NoConnection, TooLong)
"""All that an exchange without an answer may end in."""

_BEFORE: tuple[tuple[type[Exception], str], ...] = (
    (NoConnection, "no_connection"),
    (aiohttp.ConnectionTimeoutError, "connect_timeout"),
    (aiohttp.ClientConnectorDNSError, "name_resolution"),
    (aiohttp.ClientConnectorSSLError, "tls"),
    (aiohttp.ClientConnectorCertificateError, "tls"),
    (aiohttp.ClientProxyConnectionError, "proxy"),
    (aiohttp.ClientHttpProxyError, "proxy"),  # the proxy refused to open a tunnel
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.InvalidURL, "bad_address"),
    (aiohttp.NonHttpUrlClientError, "bad_address"),
)

_AFTER: tuple[tuple[type[Exception], str], ...] = (
    (ContentEncodingError, "unreadable_answer"),
    (TooLong, "unreadable_answer"),
    (TimeoutError, "timeout"),  # our own limit for the whole request is one
)


def outcome_of(error: Exception, hide: Sequence[str] = ()) -> NotTransmitted | Unknown:
    """The outcome of an attempt that ended in `error`. What is not known to come before sending is unknown."""
    words = f"{type(error).__name__}: {mask_text(str(error), hide)}".removesuffix(": ")
    for kind, reason in _BEFORE:
        if isinstance(error, kind):
            return NotTransmitted(reason=reason, error=words)
    causes = list(_causes(error))
    reason = next((reason for kind, reason in _AFTER if any(isinstance(cause, kind) for cause in causes)), "reset")
    return Unknown(reason=reason, error=words)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised from."""
    seen: set[int] = set()
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        yield step
        step = step.__cause__
