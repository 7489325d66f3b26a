"""HTTP to one address: bytes there, bytes back, and each failure known for what it is.

aiohttp follows no redirect here. A POST leaves once: only a GET may be asked again by it, when a connection that was
kept open turns out to be closed. What it raises carries the request's headers, and the token among them, in its
`repr`: only `failures` looks at it, and takes no more than its name and its text.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeAlias
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from consumer.clock import SECOND, Millis
from consumer.onemsg.http.transport_errors import NoConnection, TooLong

_IDLE = 4.0
"""Seconds that a connection is kept for. Servers often close theirs after 5, and an attempt that meets that moment
would be unknown for nothing."""

Answer: TypeAlias = tuple[int, Mapping[str, str], bytes]
"""Status, headers (found in any case), body."""


class Wire:
    """At most `connections` requests at a time to addresses that begin with `base`, each with these `headers`.

    `timeout` (milliseconds) bounds a request as a whole; waiting for a connection and making one may take a quarter of
    it each, so that their end is always known for what it is. Made anywhere, used and closed in one event loop.
    """

    def __init__(self, base: str, *, headers: Mapping[str, str], timeout: Millis, connections: int) -> None:
        self._base = base
        self._headers = dict(headers)
        self._seconds = timeout / SECOND
        self._free = asyncio.Semaphore(connections)
        self._proxy = _proxy_for(base)
        self._opened: aiohttp.ClientSession | None = None

    async def exchange(
        self,
        verb: str,
        method: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: bytes | None = None,
        limit: int,
    ) -> Answer:
        """One request, one answer of at most `limit` bytes. Raises failures.FAILURES."""
        headers = None if body is None else {"Content-Type": "application/json"}
        async with asyncio.timeout(self._seconds), self._connection():
            response = await self._session().request(
                verb,
                self._base + method,
                params=query,
                data=body,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
            )
            async with response:
                read = bytearray()
                async for chunk in response.content.iter_any():
                    read += chunk
                    if len(read) > limit:
                        raise TooLong
        return response.status, response.headers, bytes(read)

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._opened is not None:
            await self._opened.close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[None]:
        """The right to one. Raises NoConnection."""
        if self._free.locked():  # (without a timer otherwise, which is most of its price)
            try:
                async with asyncio.timeout(self._seconds / 4):
                    await self._free.acquire()
            except TimeoutError:
                raise NoConnection("all connections are in use") from None
        else:
            await self._free.acquire()
        try:
            yield
        finally:
            self._free.release()

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            context = ssl.create_default_context() if self._base.startswith("https:") else False
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE, ssl=context),
                timeout=aiohttp.ClientTimeout(total=None, connect=self._seconds / 4),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._headers,
            )
        return self._opened


def _proxy_for(base: str) -> str | None:
    """The environment's proxy, if it names one for this address; none for what is on this machine."""
    address = urlsplit(base)
    host = address.hostname or ""
    inside = host in ("localhost", "::1") or host.startswith("127.") or bool(proxy_bypass(host))
    return None if inside else getproxies().get(address.scheme)
