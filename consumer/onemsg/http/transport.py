"""HTTP to one address: bytes there, bytes back, and each failure known for what it is.

Requests and answers are httpx's; aiohttp carries them, because httpx's own transport takes twice the processor time,
and much more with one pool of two hundred connections. The transport is called without httpx's client, which would log
each address with the phone number in it. No redirect is followed, and no cookie is kept. A POST leaves once: aiohttp
repeats only a GET, when a connection that was kept open turns out to be closed. An error may hold the request, and with
it the token: only `transport_errors.outcome_of` looks at it, and takes no more than its name and its text.
"""

import asyncio
import ssl
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from consumer.clock import SECOND, Millis
from consumer.onemsg.http.transport_errors import NoConnection, TooLong

_KEEP_ALIVE_S = 4.0
"""How long an idle connection is kept. Servers often close theirs after 5 seconds, and an attempt that meets that
moment would be unknown for nothing."""

Answer: TypeAlias = tuple[int, Mapping[str, str], bytes]
"""Status, headers (their names in lower case), body."""


class HttpTransport:
    """At most `connections` requests at a time to addresses that begin with `base`, each with these `headers`.

    `timeout_ms` bounds a request as a whole; waiting for a connection and making one may take a quarter of it each, so
    that their end is always known for what it is. Made anywhere, used and closed in one event loop.
    """

    def __init__(
        self,
        base: str,
        *,
        headers: Mapping[str, str],
        timeout_ms: Millis,
        connections: int,
        keep_alive: bool = True,
        proxy: str | None = None,
    ) -> None:
        self._base = base
        self._headers = httpx.Headers({"Accept-Encoding": "gzip, deflate", **headers})
        self._json_headers = httpx.Headers([*self._headers.raw, (b"Content-Type", b"application/json")])
        self._timeout_s = timeout_ms / SECOND
        self._connect_timeout_s = self._timeout_s / 4
        # "pool" is what httpx-aiohttp hands to aiohttp as the time to get a connection, an idle one or a new one.
        self._extensions = {"timeout": {"pool": self._connect_timeout_s}}
        self._connections = asyncio.Semaphore(connections)
        self._keep_alive = keep_alive
        self._proxy = proxy
        # Plain HTTP gets a context that trusts nobody: reading the system's certificates takes 30 ms.
        encrypted = any(url.startswith("https:") for url in (base, proxy or ""))
        self._tls = ssl.create_default_context() if encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._transport = AiohttpTransport(verify=self._tls, client=self._session)

    async def exchange(
        self,
        verb: str,
        method: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        body: bytes | None = None,
        limit: int,
    ) -> Answer:
        """Send one request, with a body of JSON or none, and return its answer. Raises transport_errors.FAILURES.

        A body of more than `limit` bytes is TooLong; with a limit of 0 the body is not read.
        """
        request = httpx.Request(
            verb,
            _parsed(self._base + method),
            params=query,
            headers=self._headers if body is None else self._json_headers,
            content=body,
            extensions=self._extensions,
        )
        if headers is not None:
            request.headers.update(headers)
        async with asyncio.timeout(self._timeout_s):
            await self._wait_for_connection()
            try:
                response = await self._transport.handle_async_request(request)
                try:
                    answered = dict(response.headers)
                    received = await _body_of(response, answered.get("content-encoding", ""), limit)
                finally:
                    await response.aclose()
            finally:
                self._connections.release()
        return response.status_code, answered, received

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _wait_for_connection(self) -> None:
        """Take one of the connections; the caller releases it. Raises NoConnection."""
        if not self._connections.locked():  # (without a timer, which is most of the cost)
            await self._connections.acquire()
            return
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await self._connections.acquire()
        except TimeoutError:
            raise NoConnection("all connections are in use") from None

    def _session(self) -> aiohttp.ClientSession:
        """Open aiohttp's session, which needs a running event loop. `_wait_for_connection` limits the connections."""
        keep_alive_s = _KEEP_ALIVE_S if self._keep_alive else None
        connector = aiohttp.TCPConnector(
            limit=0, ssl=self._tls, keepalive_timeout=keep_alive_s, force_close=not self._keep_alive
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), proxy=self._proxy)


@lru_cache
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)  # takes as long as the rest of making a request


async def _body_of(response: httpx.Response, coding: str, limit: int) -> bytes:
    """Return the body, unpacked if it has a content `coding`. Raises TooLong, httpx.DecodingError."""
    if limit == 0:
        return b""
    if "," in coding:
        raise httpx.DecodingError("packed more than once")  # each time may make it a thousand times as long
    body = bytearray()
    async for chunk in response.aiter_bytes() if coding else response.aiter_raw():
        body += chunk
        if len(body) > limit:
            raise TooLong
    return bytes(body)


class UnsafeProxy(Exception):
    """A proxy would read what is sent to an address; the text says what to do."""


def proxy_for(base: str) -> str | None:
    """Return the environment's proxy, if it names one for this address; none for what is on this machine.

    Raises UnsafeProxy for an address that is not encrypted, because the proxy would read the token.
    """
    address = urlsplit(base)
    host = address.hostname or ""
    inside = host in ("localhost", "::1") or host.startswith("127.") or bool(proxy_bypass(host))
    proxy = None if inside else getproxies().get(address.scheme)
    if proxy and address.scheme == "http":
        raise UnsafeProxy(
            f"{host}: the variable http_proxy names a proxy, which would read the token: write an https address,"
            f" or name this host in no_proxy"
        )
    return proxy
