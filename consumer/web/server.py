"""Serves the web application on a port."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from consumer.web.bounded_http import ACCEPTED_AT_ONCE, bounded_protocol, connection_limit

_BACKLOG = 2048
"""Connections that the system keeps until they are accepted."""
_SHUTDOWN_TIMEOUT_S = 5
"""For requests in progress when the server is told to stop."""


class PortTaken(Exception):
    """The server cannot listen on its address; the text says which and why."""


def listen(host: str, port: int, setting: str = "web.port") -> socket.socket:
    """Return a socket that listens there; port 0 is any free one. `setting` is the port's name in `lapse.yaml`.

    Raises:
        PortTaken: the server cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        # Accepted sockets inherit it. Without it, the second answer on a connection waits 40 ms for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        why = str(error.strerror or error).split(" (while")[0]
        advice = ""
        if error.errno == errno.EADDRINUSE:
            variable = "LAPSE_" + setting.upper().replace(".", "__")
            advice = f"; another process listens there, perhaps the other role: give this one another, {variable}=…"
        raise PortTaken(f"{setting}: cannot listen on {host}:{port}: {why}{advice}") from None


async def serve(app: ASGIApp, listener: socket.socket, stop: asyncio.Event, *, most: int | None = None) -> None:
    """Serve what `listener` accepts until `stop` is set, then close it.

    `most` connections are held at a time; as many as file descriptors allow, unless given.
    """
    with contextlib.closing(listener):
        config = uvicorn.Config(
            app,
            http=bounded_protocol(most or connection_limit()),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # its lines would contain the webhook's secret
            server_header=False,
            headers=[("x-content-type-options", "nosniff")],
            proxy_headers=False,
            backlog=ACCEPTED_AT_ONCE,  # for asyncio that is how many it accepts in one round of the loop
            timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT_S,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            server.should_exit = True
            stopping.cancel()
            await serving


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the application, which has more to stop than this server."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_BACKLOG)  # asyncio has reduced it to what it accepts at once
