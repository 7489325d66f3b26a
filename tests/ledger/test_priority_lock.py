"""Who writes next, where only one thread can."""

import threading

import pytest

from consumer.ledger.priority_lock import PriorityLock


class Queue:
    """Threads that wait for the lock, started one after the other while somebody holds it."""

    def __init__(self) -> None:
        self.lock = PriorityLock()
        self.served: list[str] = []
        self._threads: list[threading.Thread] = []

    def add(self, name: str, *, urgent: bool = False) -> None:
        before = self._waiting()

        def hold() -> None:
            with self.lock.held(urgent=urgent):
                self.served.append(name)

        thread = threading.Thread(target=hold)
        thread.start()
        self._threads.append(thread)
        while self._waiting() == before:
            thread.join(0.001)

    def _waiting(self) -> int:
        with self.lock._changed:
            return len(self.lock._changed._waiters)  # type: ignore[attr-defined]

    def all_done(self) -> None:
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()


def test_one_thread_at_a_time_and_urgent_ones_first() -> None:
    queue = Queue()
    with queue.lock.held():
        queue.add("claims")
        queue.add("outbox")
        queue.add("webhook", urgent=True)
        assert queue.served == []
    queue.all_done()
    assert queue.served[0] == "webhook"
    assert sorted(queue.served) == ["claims", "outbox", "webhook"]


def test_an_error_releases_the_lock() -> None:
    lock = PriorityLock()

    def fail() -> None:
        with lock.held():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with lock.held(urgent=True):
        pass
    with lock.held():
        pass
