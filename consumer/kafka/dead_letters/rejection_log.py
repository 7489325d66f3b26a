"""Logs what is set aside: at most one line a minute for each reason."""

from dataclasses import dataclass

import structlog

from consumer.clock import MINUTE, Clock, Millis

_INTERVAL_MS: Millis = MINUTE
_log = structlog.get_logger()


@dataclass(slots=True)
class _Untold:
    """What was set aside since the last line: how many, and where the first was."""

    count: int
    topic: str
    partition: int
    offset: int


class RejectionLog:
    """The first of a reason is told at once, those of the following minute together after it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._untold: dict[str, _Untold] = {}
        self._next_line: dict[str, Millis] = {}  # monotonic

    def count(self, reason: str, topic: str, partition: int, offset: int) -> None:
        """Note a record that is set aside; `write_due` logs it."""
        untold = self._untold.get(reason)
        if untold is None:
            self._untold[reason] = _Untold(1, topic, partition, offset)
        else:
            untold.count += 1

    def write_due(self) -> None:
        """Write the lines that are due. To be called often."""
        now = self._clock.monotonic()
        for reason in [name for name in self._untold if now >= self._next_line.get(name, now)]:
            first = self._untold.pop(reason)
            self._next_line[reason] = now + _INTERVAL_MS
            where = {"topic": first.topic, "partition": first.partition, "offset": first.offset}
            _log.warning("records_rejected", reason=reason, count=first.count, **where)
