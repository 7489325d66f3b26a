"""Runs the roles of one process; `wiring/` builds them.

Detect's loop and the Kafka consumers block, so each has a thread; sender, poller, outbox and web share one event loop.
When one of them ends, all of them end: a process does all of its roles or none.

The order of ending: detect and the consumers commit and leave their groups, the sender waits for what is in flight,
what was recorded is published, and the webhook stays open until all of that is done.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import structlog
from starlette.applications import Starlette

from consumer.config.settings import Settings
from consumer.config.types import Role
from consumer.kafka.changelog.restore import StateRefused
from consumer.kafka.clients import topics
from consumer.kafka.clients.connection_watchdog import CutOff
from consumer.kafka.clients.transactional_producer import Fenced
from consumer.kafka.detect_loop.loop import DetectLoop
from consumer.web import routes
from consumer.web.api import brake
from consumer.web.auth import ApiGuard, is_loopback
from consumer.web.bounded_http import log_accept_errors_once, raise_descriptor_limit
from consumer.web.console.routes import Console
from consumer.web.server import serve
from consumer.wiring import detect
from consumer.wiring.deliver import Deliver
from consumer.wiring.shared import Shared, plain

Work: TypeAlias = Coroutine[Any, Any, None]
_EXECUTOR_THREADS = 16
_log = structlog.get_logger()


def run(
    settings: Settings,
    roles: frozenset[Role],
    *,
    stop: threading.Event | None = None,
    on_ready: Callable[[str], None] = lambda url: None,
    signals: bool = True,
) -> int:
    """Run these roles until `stop` is set or, with `signals`, until SIGTERM or SIGINT. Returns the exit code.

    `on_ready` is called with the address of the web pages once they answer.
    """
    stop = stop or threading.Event()
    if signals:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    return asyncio.run(_Service(Shared(settings), stop).run(roles, on_ready))


class _Service:
    def __init__(self, shared: Shared, stop: threading.Event) -> None:
        self._shared = shared
        self._stop = stop
        self._ended = asyncio.Event()
        """Set with `stop`: threads watch that one, tasks this one."""

    async def run(self, roles: frozenset[Role], on_ready: Callable[[str], None]) -> int:
        log_accept_errors_once(asyncio.get_running_loop())
        raise_descriptor_limit()
        # The default is six threads on two cores, too few for ledger work and name resolution together.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_EXECUTOR_THREADS, "ledger"))
        s, admin = self._shared.settings, self._shared.admin
        topics.prepare(admin, s.topics, s.state_topic, s.source.topic)
        loop = detect.build(self._shared) if "detect" in roles else None
        deliver = Deliver(self._shared) if "deliver" in roles else None
        works = [self._thread("detect", loop.run)] if loop else []
        if deliver is not None:
            works += [self._thread(name, consumer) for name, consumer in deliver.consumers().items()]
            works += deliver.works(self._ended)
        closing = asyncio.Event()
        serving = asyncio.create_task(self._serve(self._pages(deliver, loop), closing, on_ready))
        try:
            succeeded = await self._run_together(works, serving)
            if deliver is not None:
                succeeded &= await self._run_together([deliver.publish_rest()], serving)
        finally:
            closing.set()
            await serving
            if deliver is not None:
                await deliver.close()
        return 0 if succeeded else 1

    def _pages(self, deliver: Deliver | None, loop: DetectLoop | None) -> Starlette:
        web = self._shared.settings.web
        token = plain(web.api_token, "web.api_token") if web.api_token else None
        guard = ApiGuard(token, open_to_this_machine=is_loopback(web.host))
        console = Console(self._shared.health, deliver.ledger if deliver else None, self._shared.clock)
        return routes.build(
            health=self._shared.health,
            metrics=self._shared.metrics,
            webhook=deliver.webhook() if deliver else None,
            probes={"ledger": deliver.probe} if deliver else {},
            api=[*console.routes(guard), *(brake.routes(loop.brake_control, guard) if loop else [])],
        )

    async def _serve(self, app: Starlette, closing: asyncio.Event, on_ready: Callable[[str], None]) -> None:
        web = self._shared.settings.web
        await serve(app, web.host, web.port, closing, listening=lambda port: on_ready(f"http://{web.host}:{port}"))

    async def _run_together(self, works: Sequence[Work], serving: "asyncio.Task[None]") -> bool:
        """Run all works until they have ended; the first that ends or fails ends the others. False if one failed.

        `serving` is the task of the web pages, which must outlast the works: if it ends, everything ends.
        """
        tasks = [asyncio.ensure_future(work) for work in works]
        stopping = asyncio.create_task(self._thread("stop", threading.Event.wait))
        await asyncio.wait([stopping, serving, *tasks], return_when=asyncio.FIRST_COMPLETED)
        self._stop.set()
        self._ended.set()
        await asyncio.wait([stopping, *tasks])
        return not sum(_log_failure(task) for task in tasks)

    async def _thread(self, name: str, work: Callable[[threading.Event], object]) -> None:
        """Run something that blocks until the service ends, in a thread of its own."""
        with ThreadPoolExecutor(1, name) as executor:
            await asyncio.get_running_loop().run_in_executor(executor, work, self._stop)


def _log_failure(task: "asyncio.Future[None]") -> bool:
    """Log why a part failed; return whether it did."""
    problem = task.exception()
    if isinstance(problem, StateRefused | Fenced | CutOff):
        _log.error("stopped", reason=str(problem))
    elif problem is not None:
        _log.error("part_failed", exc_info=problem)
    return problem is not None
