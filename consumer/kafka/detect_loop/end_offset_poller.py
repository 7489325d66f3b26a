"""Asks for the ends of the assigned partitions, for their clocks to reach."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from consumer.clock import Clock, Millis
from consumer.detect.watermark import WallClockGuard
from consumer.kafka.clients import end_offsets
from consumer.kafka.clients.settings import ClientErrorLog

_PATIENCE = 5.0  # seconds: one silent broker of several must not keep the others' answers back for long
_log = structlog.get_logger()


class EndOffsetPoller:
    """One request at a time for all partitions, never waited for. A failed one moves no clock."""

    def __init__(self, admin: AdminClient, topic: str, clock: Clock, every: Millis, missed: Callable[[], None]) -> None:
        """`missed` is told each time that nobody answers."""
        self._admin = admin
        self._topic = topic
        self._clock = clock
        self._every = every
        self._missed = missed
        self._guard = WallClockGuard()
        self._trouble = ClientErrorLog("ends")
        self._asked_at: Millis = 0
        self._next: Millis = 0  # on the steady clock
        self._waiting: dict[int, Future[Any]] = {}
        self.held: str | None = None
        """Why the clocks stand still, if they do."""

    def request(self, partitions: Iterable[int]) -> None:
        """Send the next request when it is time."""
        steady = self._clock.monotonic()
        if self._waiting or steady < self._next:
            return
        self._next = steady + self._every
        if self._trouble and not self._finds_leaders():
            return
        wall = self._clock.now()  # before the request leaves: the end it brings is not older than this
        if self._agrees(wall, self._clock.monotonic()):
            self._asked_at = wall
            self._waiting = end_offsets.ask(self._admin, self._topic, partitions, patience=_PATIENCE)

    def results(self) -> tuple[Millis, dict[int, int]]:
        """The wall time of the last request, and the ends it brought since this was called before."""
        arrived = {p: future for p, future in self._waiting.items() if future.done()}
        ends = {}
        for partition, future in arrived.items():
            del self._waiting[partition]
            try:
                ends[partition] = int(future.result().offset)
            except KafkaException as failure:
                self._trouble.report(failure.args[0])
        if ends and len(ends) == len(arrived):
            self._trouble.report_answer()
        return self._asked_at, ends

    def _finds_leaders(self) -> bool:
        try:
            end_offsets.find_leaders(self._admin, self._topic)
        except KafkaException as failure:
            self._trouble.report(failure.args[0])
            self._missed()
            return False
        return True

    def _agrees(self, wall: Millis, steady: Millis) -> bool:
        agrees = self._guard.agrees(wall, steady)
        held = None if agrees else "the clocks stand: the wall clock jumped. Set it right, or restart to accept it"
        if held != self.held:
            _log.warning("clock_held" if held else "clock_released", reason=held)
        self.held = held
        return agrees
