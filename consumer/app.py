"""Runs the roles of one process; `wiring/` builds them.

Detect's loop and the Kafka consumers block, so each has a thread; sender, poller, outbox and web share one event loop.
When one of them ends, all of them end: a process does all of its roles or none.

The order of ending: detect and the consumers commit and leave their groups, the sender waits for what is in flight,
what was recorded is published, and the webhook stays open until all of that is done.
"""

import asyncio
import contextlib
import faulthandler
import signal
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import structlog

from consumer.config.settings import Settings
from consumer.config.types import Role
from consumer.kafka.changelog.restore import StateRefused
from consumer.kafka.clients import topics
from consumer.kafka.clients.client_settings import ignored_keys
from consumer.kafka.clients.connection_watchdog import CutOff
from consumer.kafka.clients.error_codes import BrokerRefused
from consumer.kafka.clients.transactional_producer import Fenced
from consumer.ledger.errors import LedgerRegressed
from consumer.web.bounded_http import log_accept_errors_once, raise_descriptor_limit
from consumer.wiring import detect
from consumer.wiring.deliver.role import Deliver
from consumer.wiring.metric_series import start_service_series
from consumer.wiring.open_telemetry import span_recorder
from consumer.wiring.progress_log import ProgressLog, addresses
from consumer.wiring.shared import Shared
from consumer.wiring.web import Web

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

    With `signals`, SIGUSR1 writes to stderr what each thread is doing.
    `on_ready` is called with the address of the web pages once they answer.
    """
    stop = stop or threading.Event()
    if signals:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if hasattr(faulthandler, "register"):  # not on Windows
            faulthandler.register(signal.SIGUSR1)
    with span_recorder(settings.telemetry) as record_span:
        return asyncio.run(_Service(Shared(settings, record_span=record_span), stop).run(roles, on_ready))


class _Service:
    def __init__(self, shared: Shared, stop: threading.Event) -> None:
        self._shared = shared
        self._stop = stop
        self._ended = asyncio.Event()
        """Set with `stop`: threads watch that one, tasks this one."""
        self._progress = ProgressLog(shared.health, shared.metrics, shared.clock.monotonic)

    async def run(self, roles: frozenset[Role], on_ready: Callable[[str], None]) -> int:
        log_accept_errors_once(asyncio.get_running_loop())
        raise_descriptor_limit()
        # The default is six threads on two cores, too few for ledger work and name resolution together.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_EXECUTOR_THREADS, "ledger"))
        # First of all, so that a process that cannot serve changes nothing elsewhere.
        receives_webhooks = "deliver" in roles and self._shared.settings.web.webhook_secret is not None
        with contextlib.closing(Web(self._shared, receives_webhooks=receives_webhooks)) as web:
            return await self._run(roles, web, on_ready)

    async def _run(self, roles: frozenset[Role], web: Web, on_ready: Callable[[str], None]) -> int:
        s, admin = self._shared.settings, self._shared.admin
        start_service_series(self._shared.service_metrics, roles)
        if ignored := ignored_keys(s.kafka):
            _log.warning("kafka_client_keys_ignored", keys=ignored, why="Lapse sets them itself")
        topics.prepare(admin, s.topics, s.state_topic, s.source.topic)
        loop = detect.build(self._shared) if "detect" in roles else None
        deliver = Deliver(self._shared) if "deliver" in roles else None
        works = [self._thread("detect", loop.run)] if loop else []
        if deliver is not None:
            works += [self._thread(name, consumer) for name, consumer in deliver.consumers().items()]
            works += deliver.works(self._ended)
        works.append(self._progress.run(self._ended))
        closing = asyncio.Event()

        def on_serving(url: str) -> None:
            self._progress.addresses = addresses(s, url, delivers=deliver is not None)
            on_ready(url)

        serving = asyncio.create_task(web.serve(deliver, loop, closing, on_serving))
        try:
            succeeded = await self._run_together(works, serving)
            if deliver is not None:
                succeeded &= await self._run_together([deliver.publish_rest()], serving)
        finally:
            self._progress.tell_rest()
            closing.set()
            try:
                await serving
            finally:
                if deliver is not None:
                    await deliver.close()
        return 0 if succeeded else 1

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
    if isinstance(problem, StateRefused | Fenced | CutOff | BrokerRefused | LedgerRegressed):
        _log.error("stopped", reason=str(problem))
    elif problem is not None:
        _log.error("part_failed", exc_info=problem)
    return problem is not None
