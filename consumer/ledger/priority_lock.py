"""Who writes next, where only one can."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PriorityLock:
    """One thread at a time. Whoever is urgent goes before all who are not, and so waits for one of them at most."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._urgent = 0
        """Urgent ones that wait."""

    @contextmanager
    def turn(self, urgent: bool = False) -> Iterator[None]:
        with self._changed:
            self._urgent += urgent
            try:
                self._changed.wait_for(lambda: not self._taken and (urgent or not self._urgent))
            finally:
                self._urgent -= urgent
            self._taken = True
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()
