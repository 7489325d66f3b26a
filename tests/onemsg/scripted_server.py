"""A real HTTP server on loopback that answers as a test tells it, request by request, also wrongly."""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from consumer.clock import SECOND, Millis
from consumer.onemsg.client import OneMsgClient

TOKEN = "eyJhbGciOiJub25lIn0.channel-token-1234567890.sig"


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    verb: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: given[0] for name, given in parse_qs(urlsplit(self.target).query).items()}

    @property
    def json(self) -> object:
        return json.loads(self.body)


Play = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """`asked` holds every request that was read whole; `connections` counts those that were opened."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def client(self, timeout: Millis = 10 * SECOND, max_connections: int = 4) -> OneMsgClient:
        return OneMsgClient(
            base_url=self.url, channel_id="CH1", token=TOKEN, timeout_ms=timeout, max_connections=max_connections
        )


@asynccontextmanager
async def serving(
    *plays: Play,
    on_connect: Callable[[asyncio.StreamWriter], None] | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """A server that plays these, one for each request, and the last one from then on."""
    server = Server(scheme="https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        if on_connect is not None:
            on_connect(writer)
        while (asked := await _read(reader)) is not None:
            server.asked.append(asked)
            await plays[min(len(server.asked), len(plays)) - 1](asked, writer)

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(talk(reader, writer))
        tasks.add(task)
        await asyncio.wait({task})
        writer.close()
        if not task.cancelled() and isinstance(task.exception(), ConnectionError):
            return
        if not task.cancelled():
            task.result()

    listening = await asyncio.start_server(connection, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    verb, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(verb, target, headers, body)


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Play:
    """A complete answer: bytes and texts as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    lines = {"Content-Type": "application/json", "Content-Length": str(len(raw)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())

    async def play(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + raw)
        await writer.drain()

    return play


async def hang(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Reads the request and never answers."""
    await asyncio.Event().wait()


async def hang_up(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Reads the request and closes the connection."""
    writer.close()


async def reset(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Reads the request and breaks the connection."""
    break_off(writer)


async def half(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Answers half of what it announced, and closes."""
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"sent": true, ')
    await writer.drain()
    writer.close()


async def drip(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Answers one byte at a time, for ever: never silent for long enough to look dead."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\n \r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def flood(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Answers without an end, as fast as it can."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
        await writer.drain()


async def gibberish(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Something that is not HTTP."""
    writer.write(b"\x16\x03\x01 what?\r\n\r\n")
    await writer.drain()


def break_off(writer: asyncio.StreamWriter) -> None:
    """Ends a connection with a reset."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
