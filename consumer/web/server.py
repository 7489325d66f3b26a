"""Serves the web application on a port."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from consumer.web.bounded_http import bounded_protocol, connection_limit

_SHUTDOWN_TIMEOUT_S = 5
"""For requests in progress when the server is told to stop."""


class PortTaken(Exception):
    """The server cannot listen on its address; the text says which and why."""


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    stop: asyncio.Event,
    *,
    most: int | None = None,
    listening: Callable[[int], None] | None = None,
) -> None:
    """Serve until `stop` is set. Port 0 is any free one; `listening` gets the real port once it is open.

    `most` connections are held at a time; as many as file descriptors allow, unless given.

    Raises:
        PortTaken: the server cannot listen there.
    """
    listener = _listen(host, port)
    with contextlib.closing(listener):
        config = uvicorn.Config(
            app,
            http=bounded_protocol(most or connection_limit()),
            lifespan="off",
            log_config=None,
            access_log=False,  # its lines would contain the webhook's secret
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT_S,
        )
        server = _Server(config)
        if listening:
            listening(listener.getsockname()[1])
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


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = str(error.strerror or error).split(" (while")[0]
        raise PortTaken(f"web.port: cannot listen on {host}:{port}: {why}") from None
