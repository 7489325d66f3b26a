"""A lock that decides who writes next, where only one thread can."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PriorityLock:
    """One thread at a time. Urgent ones go before all others, and so wait for one of those at most."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_held = False
        self._urgent_waiting = 0

    @contextmanager
    def held(self, *, urgent: bool = False) -> Iterator[None]:
        """Hold the lock; wait for it first."""
        with self._changed:
            self._urgent_waiting += urgent
            try:
                self._changed.wait_for(lambda: not self._is_held and (urgent or not self._urgent_waiting))
            finally:
                self._urgent_waiting -= urgent
            self._is_held = True
        try:
            yield
        finally:
            with self._changed:
                self._is_held = False
                self._changed.notify_all()
