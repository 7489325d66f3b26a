"""Asks for the end offsets of the assigned partitions, which their watermarks have to reach."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from consumer.clock import Clock, Millis
from consumer.detect.watermark import WallClockGuard
from consumer.kafka.clients import partition_offsets
from consumer.kafka.clients.client_error_log import ClientErrorLog

_REQUEST_TIMEOUT_S = 5.0  # short: one silent broker of several must not hold back the others' answers
_log = structlog.get_logger()


class EndOffsetPoller:
    """One request at a time for all partitions, never waited for. A failed request moves no watermark."""

    def __init__(
        self, admin: AdminClient, topic: str, clock: Clock, interval_ms: Millis, report_no_answer: Callable[[], None]
    ) -> None:
        self._admin = admin
        self._topic = topic
        self._clock = clock
        self._interval_ms = interval_ms
        self._report_no_answer = report_no_answer
        self._wall_clock_guard = WallClockGuard()
        self._error_log = ClientErrorLog("end offsets")
        self._requested_at: Millis = 0
        self._next_request: Millis = 0  # monotonic
        self._futures: dict[int, Future[Any]] = {}
        self.held: str | None = None
        """Why the watermarks stand still, if they do."""

    def poll(self, partitions: Iterable[int]) -> tuple[Millis, dict[int, int]]:
        """Send the next request when it is due.

        Returns the wall time of the last request, and the end offsets by partition that arrived since the last call.
        """
        if not self._futures and self._clock.monotonic() >= self._next_request:
            self._request(partitions)
        arrived = {partition: future for partition, future in self._futures.items() if future.done()}
        end_offsets = {}
        for partition, future in arrived.items():
            del self._futures[partition]
            try:
                end_offsets[partition] = int(future.result().offset)
            except KafkaException as failure:
                self._error_log.report(failure.args[0])
        if end_offsets and len(end_offsets) == len(arrived):
            self._error_log.report_answer()
        return self._requested_at, end_offsets

    def _request(self, partitions: Iterable[int]) -> None:
        self._next_request = self._clock.monotonic() + self._interval_ms
        if self._error_log and not self._refresh_leaders():
            return
        now = self._clock.now()  # before the request leaves: the end offset it brings is not older than this
        if self._wall_clock_agrees(now, self._clock.monotonic()):
            self._requested_at = now
            self._futures = partition_offsets.request(
                self._admin, self._topic, partitions, timeout_s=_REQUEST_TIMEOUT_S
            )

    def _refresh_leaders(self) -> bool:
        try:
            partition_offsets.refresh_leaders(self._admin, self._topic)
        except KafkaException as failure:
            self._error_log.report(failure.args[0])
            self._report_no_answer()
            return False
        return True

    def _wall_clock_agrees(self, now: Millis, monotonic: Millis) -> bool:
        agrees = self._wall_clock_guard.agrees(now, monotonic)
        held = (
            None
            if agrees
            else "the watermarks stand still: the wall clock jumped. It is accepted once it has run evenly for a minute"
        )
        if held != self.held:
            _log.warning("watermarks_held" if held else "watermarks_released", reason=held)
        self.held = held
        return agrees
