"""Runs one part of deliver in a loop, with its health.

A ledger or broker out of reach is waited for, however long, and so is a topic that is not there. An error of the ledger
that no waiting mends, such as a table that is missing, ends the process once it has lasted for a minute: it would else
look alive and do nothing. A value in the ledger that no code expects ends nothing: the part tries again, and the others
go on.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from consumer.clock import SECOND, Millis
from consumer.deliver.sending.sender import Sender
from consumer.kafka.clients.publisher import PublishFailed
from consumer.ledger.errors import is_about_a_value, is_transient
from consumer.waiting import wait_for_event
from consumer.web.health import Health

_MAX_LASTING_ERRORS = 12
"""In a row, a minute of tries: a migration by another replica may be under way."""
_log = structlog.get_logger()


class PartLoop:
    """`name` is the part's name in the health register; `detail` says there what people should know.

    `problem` says what keeps the part from its work though its rounds succeed.
    `errors` (`ServiceMetrics.part_errors`) counts failed rounds; `retry_ms` is the pause after one.
    """

    def __init__(
        self,
        health: Health,
        name: str,
        ended: asyncio.Event,
        detail: Callable[[], str | None],
        *,
        problem: Callable[[], str | None] = lambda: None,
        errors: Counter,
        retry_ms: Millis = 5 * SECOND,
    ) -> None:
        self._part = health.register(name)
        self._name = name
        self._ended = ended
        self._detail = detail
        self._problem = problem
        self._retry_ms = retry_ms
        self._errors = {cause: errors.labels(name, cause) for cause in ("ledger", "broker")}
        self._lasting_errors = 0

    async def repeat(self, step: Callable[[], Awaitable[int]], *, idle_ms: Millis) -> None:
        """Call `step` until told to end, with a pause of `idle_ms` when it had nothing to do.

        Raises SQLAlchemyError for an error of the ledger that lasts.
        """
        while not self._ended.is_set():
            try:
                done = await step()
            except Exception as problem:  # noqa: BLE001 - those that are not for us are raised again
                await self._wait(problem)
            else:
                self._report_progress()
                if not done:
                    await wait_for_event(self._ended, idle_ms)

    async def send(self, sender: Sender[Any], *, idle_ms: Millis) -> None:
        """Run a sender until told to end, then wait for what is in flight. Raises like `repeat`."""
        while not self._ended.is_set():
            try:
                await sender.run(self._ended, idle_ms=idle_ms, progress=self._report_progress)
            except Exception as problem:  # noqa: BLE001 - as above
                await self._wait(problem)

    def _report_progress(self) -> None:
        self._lasting_errors = 0
        if problem := self._problem():
            self._part.impaired(problem)
        else:
            self._part.ok(self._detail())

    async def _wait(self, problem: Exception) -> None:
        """Wait before the next try. Raises `problem` if it has lasted for too long, or is none of those above."""
        is_broker, is_value = isinstance(problem, PublishFailed), is_about_a_value(problem)
        if not (is_broker or is_value or isinstance(problem, SQLAlchemyError)):
            raise problem
        lasts = not (is_broker or is_value or is_transient(problem))
        self._lasting_errors = self._lasting_errors + 1 if lasts else 0
        # (The text of a ledger's error may hold a statement; that of a broker's says which topic, and what to do.)
        reason = str(problem) if is_broker else type(problem).__name__
        self._errors["broker" if is_broker else "ledger"].inc()
        _log.warning("part_waits", part=self._name, reason=reason, where=_where(problem) if is_value else None)
        self._part.failing(reason)
        if self._lasting_errors >= _MAX_LASTING_ERRORS:
            raise problem
        await wait_for_event(self._ended, self._retry_ms)


def _where(problem: Exception) -> str:
    """Return the line of code that raised it; its text may hold personal data."""
    frame = traceback.extract_tb(problem.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
