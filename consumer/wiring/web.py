"""The web pages of a process and the webhook, built from settings, and the listeners on which they are served."""

import asyncio
import socket
from collections.abc import Callable

from consumer.kafka.detect_loop.loop import DetectLoop
from consumer.web import routes
from consumer.web.api import brake
from consumer.web.auth import ApiGuard, is_loopback
from consumer.web.bounded_http import connection_limit
from consumer.web.console.routes import Console
from consumer.web.server import PortTaken, listen, serve
from consumer.web.wrong_secrets import WrongSecrets
from consumer.wiring.deliver import Deliver
from consumer.wiring.shared import Shared, plain


class Web:
    """Listens from the beginning on; who connects meanwhile waits until `serve`."""

    def __init__(self, shared: Shared, *, receives_webhooks: bool) -> None:
        """Raise PortTaken if the process cannot listen on an address of its settings."""
        self._shared = shared
        web = shared.settings.web
        self._listener = listen(web.host, web.port)
        self._public: socket.socket | None = None
        if web.public and receives_webhooks:
            try:
                self._public = listen(web.public.host, web.public.port, "web.public.port")
            except PortTaken:
                self._listener.close()
                raise

    async def serve(
        self,
        deliver: Deliver | None,
        detect_loop: DetectLoop | None,
        closing: asyncio.Event,
        on_ready: Callable[[str], None],
    ) -> None:
        """Serve until `closing` is set. `on_ready` is called with the address of the pages once they answer."""
        s, health = self._shared.settings, self._shared.health
        token = plain(s.web.api_token, "web.api_token") if s.web.api_token else None
        guard = ApiGuard(
            token, open_to_this_machine=is_loopback(s.web.host), wrong_secrets=WrongSecrets(self._shared.clock)
        )
        console = Console(health, deliver.ledger if deliver else None, self._shared.clock)
        webhook = deliver.webhook() if deliver else None
        pages = routes.build(
            health=health,
            metrics=self._shared.metrics,
            webhook=None if self._public else webhook,
            probes={"ledger": deliver.probe} if deliver else {},
            api=[*console.routes(guard), *(brake.routes(detect_loop.brake_control, guard) if detect_loop else [])],
            guard=guard,
        )
        most = connection_limit(listeners=2 if self._public else 1)
        async with asyncio.TaskGroup() as serving:
            serving.create_task(serve(pages, self._listener, closing, most=most))
            if self._public:
                serving.create_task(serve(routes.build_public(webhook), self._public, closing, most=most))
            on_ready(f"http://{s.web.host}:{self._listener.getsockname()[1]}")

    def close(self) -> None:
        """Stop listening, whether or not anything was served."""
        self._listener.close()
        if self._public:
            self._public.close()
