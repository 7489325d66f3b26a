"""Work that goes on beside us in a thread, until it is told to stop."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Task(Generic[T]):
    """Something under way."""

    def __init__(self, stop: threading.Event, running: "Future[T]") -> None:
        self._stop = stop
        self._running = running

    @property
    def broke_off(self) -> bool:
        """It ended without having been told to."""
        return self._running.done() and not self._stop.is_set()

    def end(self) -> T:
        """Tells it to stop, waits until it has, and gives what it returned. Raises what it raised."""
        self._stop.set()
        return self._running.result()


@contextmanager
def under_way(name: str, run: Callable[[threading.Event], T]) -> Iterator[Task[T]]:
    """Calls `run` in a thread of its own, and makes sure that it has ended when the context does.

    Whoever does not call `Task.end` learns of what it raised here, unless there is another exception already.
    """
    with ThreadPoolExecutor(1, name) as pool:
        stop = threading.Event()
        task = Task(stop, pool.submit(run, stop))
        try:
            yield task
            task.end()
        finally:
            stop.set()
