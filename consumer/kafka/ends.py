"""Asks for the ends of the assigned partitions, and lets their clocks reach them."""

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from consumer.clock import Clock, Millis
from consumer.detect.clock import WallGuard
from consumer.kafka import offsets

_log = structlog.get_logger()


class Ends:
    """One request at a time for all partitions, never waited for. A failed one moves no clock."""

    def __init__(self, admin: AdminClient, topic: str, clock: Clock, every: Millis) -> None:
        self._admin = admin
        self._topic = topic
        self._clock = clock
        self._every = every
        self._guard = WallGuard()
        self._asked_at: Millis = 0
        self._next: Millis = 0  # on the steady clock
        self._waiting: dict[int, Future[Any]] = {}
        self.held: str | None = None
        """Why the clocks stand still, if they do."""

    def ask(self, partitions: Iterable[int]) -> None:
        """Send the next request when it is time."""
        steady = self._clock.steady()
        if self._waiting or steady < self._next:
            return
        self._next = steady + self._every
        wall = self._clock.wall()  # before the request leaves: the end it brings is not older than this
        if not self._agrees(wall, steady):
            return
        self._asked_at = wall
        self._waiting = offsets.ask(self._admin, self._topic, partitions)

    def answers(self) -> tuple[Millis, dict[int, int]]:
        """The wall time of the last request, and the ends it brought since this was called before."""
        arrived = {p: future for p, future in self._waiting.items() if future.done()}
        ends = {}
        for partition, future in arrived.items():
            del self._waiting[partition]
            try:
                ends[partition] = int(future.result().offset)
            except KafkaException as failure:
                _log.warning("end_offset_unknown", partition=partition, error=failure.args[0].name())
        return self._asked_at, ends

    def _agrees(self, wall: Millis, steady: Millis) -> bool:
        agrees = self._guard.agrees(wall, steady)
        held = None if agrees else "the wall clock jumped: set it right, or restart to accept it"
        if held != self.held:
            _log.warning("clock_held" if held else "clock_released", reason=held)
        self.held = held
        return agrees
