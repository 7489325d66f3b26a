"""The sandbox as a server: in a thread of this process (`running`), or as a process of its own (`main`)."""

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

from consumer.sandbox.answers import to_json
from consumer.sandbox.app import Parts, Setup, assemble
from consumer.sandbox.recipients import from_phone
from consumer.sandbox.sending import HANG_UP
from consumer.sandbox.state import Now

T = TypeVar("T")

_KEEP_ALIVE: Final = 75
"""Longer than clients keep idle connections, so that none is closed while a request is on its way."""
_PATIENCE: Final = 10.0
"""For the server to start, to stop, and to answer a question of this process."""
_GRACE: Final = 2
"""For answers that are under way at the end. All in seconds."""


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
    """A sandbox that is running. Everything here may be called from any thread but the sandbox's own."""

    _parts: Parts = field(repr=False)
    _loop: asyncio.AbstractEventLoop = field(repr=False)

    def messages(self) -> list[dict[str, Any]]:
        """What it accepted, oldest first: phone, template, language, params, text, id, status, time (milliseconds),
        request (the number of the request that made it), requests (how many asked for a message to that phone)."""
        found: list[dict[str, Any]] = self._ask(self._parts.routes.accepted)["messages"]
        return found

    def stats(self) -> dict[str, Any]:
        """As `/_sandbox/stats`."""
        return self._ask(self._parts.routes.stats)

    def register(self, *urls: str) -> None:
        """Makes these the only webhooks, and switches statuses on. Raises `registration.Refused`."""
        self._ask(lambda: self._parts.routes.register(urls))

    def write_back(self, phone: str, words: str) -> str:
        """Somebody writes to the channel; answers the message's id. Raises ValueError for a bad phone."""
        sender = from_phone(phone)
        if sender is None:
            raise ValueError("not a phone number: digits only, with the country code")
        return self._ask(lambda: self._parts.sender.write_back(sender, words).id)

    def _ask(self, question: Callable[[], T]) -> T:
        async def answer() -> T:
            return question()

        return asyncio.run_coroutine_threadsafe(answer(), self._loop).result(_PATIENCE)


@contextmanager
def running(setup: Setup | None = None, now: Now | None = None) -> Generator[Sandbox]:
    """A sandbox in a thread of its own, gone at the end of the block. Raises BadFaults, CouldNotStart, OSError.

    `now` tells what time it is in a story; delays pass in real time all the same.
    """
    setup = setup or Setup()
    parts = assemble(setup, now or _wall)
    up = Event()
    with _listening(setup) as listener:
        server = _Server(parts, up.set)
        thread = Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
        thread.start()
        try:
            if not up.wait(_PATIENCE) or server.loop is None:
                raise CouldNotStart("the sandbox did not start")
            yield Sandbox(**asdict(_access(setup, listener)), _parts=parts, _loop=server.loop)
        finally:
            server.should_exit = True
            thread.join(_PATIENCE)


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
    """Serves until SIGTERM or SIGINT, then answers 0. The first line on stdout is Access as JSON.

    The rest as in `app.Setup`: `latency` in milliseconds, `rate` in requests a second. Raises BadFaults, and OSError
    when the port is taken.
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
    parts = assemble(setup, _wall)
    with _listening(setup) as listener:
        line = to_json(asdict(_access(setup, listener))).decode()

        def tell() -> None:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

        _Server(parts, tell).run([listener])
    return 0


class _Protocol(HttpToolsProtocol):
    """uvicorn's, with a way to close a connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][HANG_UP] = self.transport.close


class _Server(Server):
    """uvicorn's, which calls `on_up` once it serves, and for which a signal is an orderly end like any other."""

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
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_GRACE,
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
    """Bound here, so that the port is known before anybody is told."""
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


def _wall() -> int:
    return time.time_ns() // 1_000_000
