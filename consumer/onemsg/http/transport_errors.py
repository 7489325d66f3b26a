"""What a request that got no answer means: certainly never sent, or unknown. Pure.

The errors in `_BEFORE` come only while a connection is made: aiohttp raises them in `ClientSession._request` before it
writes the request, which is done by other code that raises other errors. A connection kept open from before and closed
by the server just as we used it looks like one that died after it had read us, so it is unknown as well.

httpx-aiohttp's names for these errors cannot be relied on: it calls a connection that was lost after the request a
ConnectTimeout. Only the aiohttp error inside counts.
"""

from collections.abc import Sequence

import aiohttp
import httpx

from consumer.onemsg.masking import mask_text
from consumer.onemsg.outcomes import NotTransmitted, Unknown
from consumer.reasons.decisions import UNKNOWN
from consumer.reasons.refusals import NOT_TRANSMITTED


class NoConnection(Exception):
    """All connections were in use for too long."""


class TooLong(Exception):
    """An answer is longer than any that 1MSG has reason to give."""


FAILURES = (httpx.RequestError, httpx.InvalidURL, aiohttp.ClientError, OSError, UnicodeError, NoConnection, TooLong)
"""All that an exchange without an answer may end in. httpx-aiohttp lets some of aiohttp's errors through."""

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
    (httpx.InvalidURL, "bad_address"),
)

_AFTER: tuple[tuple[type[Exception], str], ...] = (
    (httpx.DecodingError, "unreadable_answer"),
    (TooLong, "unreadable_answer"),
    (TimeoutError, "timeout"),  # our own limit for the whole request is one
)


def outcome_of(error: Exception, hide: Sequence[str] = ()) -> NotTransmitted | Unknown:
    """Return the outcome of an attempt that ended in `error`: unknown unless it surely came before sending."""
    if isinstance(error, httpx.TransportError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    words = f"{type(error).__name__}: {mask_text(str(error), hide)}".removesuffix(": ")
    for kind, reason in _BEFORE:
        if isinstance(error, kind):
            return NotTransmitted(reason=reason, error=words)
    reason = next((reason for kind, reason in _AFTER if isinstance(error, kind)), "reset")
    return Unknown(reason=reason, error=words)


def in_words(outcome: NotTransmitted | Unknown) -> str:
    """Return the reason and what it means. Unlike `error` it contains nothing of a library's text."""
    meaning, _ = {**NOT_TRANSMITTED, **UNKNOWN}[outcome.reason]
    return f"{outcome.reason}: {meaning.removesuffix('.')}"
