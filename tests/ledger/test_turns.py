"""Where only one can write: who is next."""

import threading
from collections.abc import Callable

import pytest

from consumer.ledger.priority_lock import PriorityLock


class Line:
    """Threads that want their turn, one after the other, while somebody has it."""

    def __init__(self) -> None:
        self.turns = PriorityLock()
        self.went: list[str] = []
        self._threads: list[threading.Thread] = []

    def wants(self, name: str, *, urgent: bool = False) -> None:
        waiting = self._waiting
        before = waiting()

        def take() -> None:
            with self.turns.turn(urgent):
                self.went.append(name)

        thread = threading.Thread(target=take)
        thread.start()
        self._threads.append(thread)
        while waiting() == before:  # until it stands in line
            thread.join(0.001)

    def _waiting(self) -> int:
        with self.turns._changed:
            return len(self.turns._changed._waiters)  # type: ignore[attr-defined]

    def all_done(self) -> None:
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()


def test_one_at_a_time_and_the_urgent_first() -> None:
    line = Line()
    with line.turns.turn():
        line.wants("claims")
        line.wants("outbox")
        line.wants("webhook", urgent=True)
        assert line.went == []
    line.all_done()
    assert line.went[0] == "webhook"
    assert sorted(line.went) == ["claims", "outbox", "webhook"]


def test_who_fails_in_its_turn_leaves_it_to_the_next() -> None:
    turns = PriorityLock()

    def fails(what: Callable[[], None]) -> None:
        with turns.turn():
            what()

    with pytest.raises(ZeroDivisionError):
        fails(lambda: print(1 / 0))
    with turns.turn(urgent=True):
        pass
    with turns.turn():
        pass
