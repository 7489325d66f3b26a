"""Many callers, one transaction: what is submitted while a write is under way goes into the next write."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from consumer.clock import SECOND, Millis

T = TypeVar("T")


class GroupCommit(Generic[T]):
    """Calls `write` in a thread, one call at a time, with at most `max_items` items in order.

    Groups grow with the load, so that callers share the cost of a durable commit. With `linger_ms`, each write waits so
    long for further items; without it a single caller does not wait.
    """

    def __init__(self, write: Callable[[Sequence[T]], None], *, max_items: int = 500, linger_ms: Millis = 0) -> None:
        self._write = write
        self._max_items = max_items
        self._linger_ms = linger_ms
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def submit(self, item: T) -> None:
        """Return once `item` is written. Raises what `write` raised for its group."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await written

    async def _write_all(self) -> None:
        while self._waiting:
            if self._linger_ms:
                await asyncio.sleep(self._linger_ms / SECOND)
            group, self._waiting = self._waiting[: self._max_items], self._waiting[self._max_items :]
            failure: Exception | None = None
            try:
                await asyncio.to_thread(self._write, [item for item, _ in group])
            except Exception as error:  # noqa: BLE001 - every caller of the group gets it
                failure = error
            for _, written in group:
                if written.done():
                    continue  # its caller was cancelled
                if failure is None:
                    written.set_result(None)
                else:
                    written.set_exception(failure)
