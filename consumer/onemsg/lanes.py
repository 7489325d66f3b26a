"""Many connections to one host, each in a pool of its own.

httpcore looks at every connection of a pool for every request that comes or goes: with a hundred connections that costs
ten times as much as the request itself (measured: 11 ms against 1.5). So each connection has its own pool here, and
which one is free is known without looking.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence

import httpx


class Lanes(httpx.AsyncBaseTransport):
    """Hands each request to a lane that is free, the one used last first: its connection is the likeliest to be open.

    Raises httpx.PoolTimeout when none becomes free within the request's pool timeout.
    """

    def __init__(self, lanes: Sequence[httpx.AsyncBaseTransport]) -> None:
        self._all = tuple(lanes)
        self._idle = list(lanes)
        self._room = asyncio.Semaphore(len(lanes))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._wait_for_room(request)
        lane = self._idle.pop()
        try:
            response = await lane.handle_async_request(request)
        except BaseException:
            self._give_back(lane)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Held(response.stream, lambda: self._give_back(lane))
        return response

    async def aclose(self) -> None:
        for lane in self._all:
            await lane.aclose()

    async def _wait_for_room(self, request: httpx.Request) -> None:
        if not self._room.locked():
            await self._room.acquire()  # (without a timer, which is most of its price)
            return
        try:
            async with asyncio.timeout(request.extensions["timeout"]["pool"]):
                await self._room.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("all connections are in use", request=request) from None

    def _give_back(self, lane: httpx.AsyncBaseTransport) -> None:
        self._idle.append(lane)
        self._room.release()


class _Held(httpx.AsyncByteStream):
    """An answer's bytes; its lane is free again once they are closed."""

    def __init__(self, stream: httpx.AsyncByteStream, release: Callable[[], None]) -> None:
        self._stream = stream
        self._release: Callable[[], None] | None = release

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            release, self._release = self._release, None
            if release is not None:
                release()


def lanes_to(count: int, *, context: ssl.SSLContext | bool, proxy: str | None, idle: float) -> Lanes:
    """`count` lanes, each one connection that is kept open for `idle` seconds."""
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=idle)
    return Lanes([httpx.AsyncHTTPTransport(verify=context, limits=limits, proxy=proxy) for _ in range(count)])
