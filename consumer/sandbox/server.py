"""The sandbox as a server: in a thread of this process (`running`), or as its own process (`main`)."""

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from threading import Event, Thread
from typing import Any, Final, TypeVar

from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from consumer.sandbox.app import Parts, Setup, assemble
from consumer.sandbox.channel_state import Now
from consumer.sandbox.recipients import from_phone
from consumer.sandbox.responses import to_json
from consumer.sandbox.send_template import HANG_UP

T = TypeVar("T")

_KEEP_ALIVE_S: Final = 75
"""Longer than clients keep idle connections, so that none is closed while a request is on its way."""
_TIMEOUT_S: Final = 10.0
"""For the server to start, to stop, and to answer a call from another thread."""
_SHUTDOWN_TIMEOUT_S: Final = 2
"""For requests that are still being answered at the end."""


class CouldNotStart(Exception):
    """The server did not come up."""


@dataclass(frozen=True)
class Access:
    """What a client needs to know. Requests go to `{base_url}/{channel_id}/sendTemplate`."""

    base_url: str
    channel_id: str
    token: str
    template: str
    namespace: str
    language: str


@dataclass(frozen=True)
class Sandbox(Access):
    """A running sandbox. Call its methods from any thread except the sandbox's own."""

    _parts: Parts = field(repr=False)
    _loop: asyncio.AbstractEventLoop = field(repr=False)

    def messages(self) -> list[dict[str, Any]]:
        """Return the accepted messages, oldest first.

        Each has phone, template, language, params, text, id, status, time (milliseconds), request (the number of the
        request that made it) and requests (how many requests asked for a message to that phone).
        """
        found: list[dict[str, Any]] = self._call(self._parts.routes.accepted)["messages"]
        return found

    def stats(self) -> dict[str, Any]:
        """Return what `GET /_sandbox/stats` answers."""
        return self._call(self._parts.routes.stats)

    def register(self, *urls: str) -> None:
        """Make these the only webhooks, and switch status callbacks on. Raises `registration.RequestRefused`."""
        self._call(lambda: self._parts.routes.register(urls))

    def write_back(self, phone: str, text: str) -> str:
        """Let somebody write to the channel, and return the message's id. Raises ValueError for a bad phone."""
        sender = from_phone(phone)
        if sender is None:
            raise ValueError("not a phone number: digits only, with the country code")
        return self._call(lambda: self._parts.sender.write_back(sender, text).id)

    def _call(self, function: Callable[[], T]) -> T:
        async def answer() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(_TIMEOUT_S)


@contextmanager
def running(setup: Setup | None = None, now: Now | None = None) -> Generator[Sandbox]:
    """Run a sandbox in its own thread until the end of the block.

    `now` replaces this machine's clock for the times of messages; delays still pass in real time.

    Raises:
        BadFaults: `setup.faults` cannot be read.
        CouldNotStart: the server did not come up.
        OSError: the port is taken.
    """
    setup = setup or Setup()
    parts = assemble(setup, now or _wall_clock)
    up = Event()
    with _listening(setup) as listener:
        server = _Server(parts, up.set)
        thread = Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
        thread.start()
        try:
            if not up.wait(_TIMEOUT_S) or server.loop is None:
                raise CouldNotStart("the sandbox did not start")
            yield Sandbox(**asdict(_access(setup, listener)), _parts=parts, _loop=server.loop)
        finally:
            server.should_exit = True
            thread.join(_TIMEOUT_S)


def main(
    port: int = 0,
    faults: str = "",
    *,
    host: str = "127.0.0.1",
    latency: int = 0,
    rate: float | None = None,
    seed: int = 0,
    fixed_fates: bool = True,
    webhook_hosts: Sequence[str] = (),
) -> int:
    """Serve until SIGTERM or SIGINT, then return 0. The first line on stdout is `Access` as JSON.

    The arguments are those of `app.Setup`: `latency` in milliseconds, `rate` in requests a second.

    Raises:
        BadFaults: `faults` cannot be read.
        OSError: the port is taken.
    """
    setup = Setup(
        host=host,
        port=port,
        faults=faults,
        latency=latency,
        rate=rate,
        seed=seed,
        fixed_fates=fixed_fates,
        webhook_hosts=tuple(webhook_hosts),
    )
    parts = assemble(setup, _wall_clock)
    with _listening(setup) as listener:
        line = to_json(asdict(_access(setup, listener))).decode()

        def print_access() -> None:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

        _Server(parts, print_access).run([listener])
    return 0


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, with a way to close a connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][HANG_UP] = self.transport.close


class _Server(Server):
    """uvicorn's server, which calls `on_up` once it serves, and returns normally after a signal."""

    def __init__(self, parts: Parts, on_up: Callable[[], None]) -> None:
        config = Config(
            parts.application,
            http=_Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT_S,
        )
        super().__init__(config)
        self.loop: asyncio.AbstractEventLoop | None = None
        self._on_up = on_up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self._on_up()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()  # uvicorn would raise them again, and end the process by signal


def _listening(setup: Setup) -> socket.socket:
    """Return a bound socket, so that the port is known before the server runs."""
    family = socket.AF_INET6 if ":" in setup.host else socket.AF_INET
    return socket.create_server((setup.host, setup.port), family=family, backlog=2048)


def _access(setup: Setup, listener: socket.socket) -> Access:
    first = setup.templates[0]
    host = f"[{setup.host}]" if ":" in setup.host else setup.host
    port = listener.getsockname()[1]
    return Access(
        base_url=f"http://{host}:{port}",
        channel_id=setup.channel_id,
        token=setup.token,
        template=first.name,
        namespace=setup.namespace,
        language=first.language,
    )


def _wall_clock() -> int:
    return time.time_ns() // 1_000_000
