"""Runs one part of deliver in a loop, with its health; a ledger or broker out of reach is waited for."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from consumer.clock import SECOND, Millis
from consumer.deliver.sending.sender import Sender
from consumer.kafka.clients.publisher import PublishFailed
from consumer.waiting import wait_for_event
from consumer.web.health import Health

_RETRY_MS: Millis = 5 * SECOND
_log = structlog.get_logger()


class PartLoop:
    """`name` is the part's name in the health register; `detail` says there what people should know."""

    def __init__(self, health: Health, name: str, ended: asyncio.Event, detail: Callable[[], str | None]) -> None:
        self._part = health.register(name)
        self._name = name
        self._ended = ended
        self._detail = detail

    async def repeat(self, step: Callable[[], Awaitable[int]], *, idle_ms: Millis) -> None:
        """Call `step` until told to end, with a pause of `idle_ms` when it had nothing to do."""
        while not self._ended.is_set():
            try:
                done = await step()
            except (SQLAlchemyError, PublishFailed) as problem:
                await self._wait(problem)
            else:
                self._part.ok(self._detail())
                if not done:
                    await wait_for_event(self._ended, idle_ms)

    async def send(self, sender: Sender[Any], *, idle_ms: Millis) -> None:
        """Run a sender until told to end, then wait for what is in flight."""
        while not self._ended.is_set():
            try:
                await sender.run(self._ended, idle_ms=idle_ms, progress=lambda: self._part.ok(self._detail()))
            except SQLAlchemyError as problem:
                await self._wait(problem)

    async def _wait(self, problem: Exception) -> None:
        reason = type(problem).__name__
        _log.warning("part_waits", part=self._name, reason=reason)
        self._part.failing(reason)
        await wait_for_event(self._ended, _RETRY_MS)
