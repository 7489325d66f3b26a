"""Many callers, one transaction: what is handed in while a write is under way goes into the next one."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class GroupCommit(Generic[T]):
    """`write` is called in a thread, by one caller's task at a time, with at most `most` items in order.

    The busier it is the larger the groups, so that the cost of a durable commit is shared. `gather` seconds are waited
    for company before each write; without it nobody waits who is alone.
    """

    def __init__(self, write: Callable[[Sequence[T]], None], *, most: int = 500, gather: float = 0.0) -> None:
        self._write = write
        self._most = most
        self._gather = gather
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def submit(self, item: T) -> None:
        """Returns once `item` is written. Raises what `write` raised for the group it was in."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await written

    async def _write_all(self) -> None:
        while self._waiting:
            if self._gather:
                await asyncio.sleep(self._gather)
            group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            trouble: Exception | None = None
            try:
                await asyncio.to_thread(self._write, [item for item, _ in group])
            except Exception as error:  # noqa: BLE001 - every caller of the group gets it
                trouble = error
            for _, written in group:
                if written.done():
                    continue  # its caller has gone away
                if trouble is None:
                    written.set_result(None)
                else:
                    written.set_exception(trouble)
