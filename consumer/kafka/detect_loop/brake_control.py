"""Joins the brake, and the verdicts on unreadable records, to detect's loop.

The loop's thread owns it. Others may ask for its `status`, and for a `release`, which the loop then does.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np
import structlog

from consumer.clock import MINUTE, Clock, Millis
from consumer.detect.brake import Brake, BrakeRules, BrakeState
from consumer.detect.lapse_rules import Times
from consumer.detect.table import AdvanceResult
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics

WHY = {
    "below_floor": "fewer records than detect.brake.floor arrive",
    "below_mean": "far fewer records than in the time before arrive (detect.brake.share_of_mean)",
    "lapse_storm": "more lapses than detect.brake.lapse_limit are due at once",
}
WHAT_TO_DO = (
    "Look whether the input is whole. Nothing is asked for until it is normal again, or until `lapse brake release`"
)
_UNREADABLE = (
    "too many records cannot be read (detect.bad_record_share), so silence means nothing and the partition's clock"
    " stands. Look at `lapse dead-letters list`, put it right, and then run `lapse brake release`"
)
_LOG_EVERY: Millis = MINUTE
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeStatus:
    """`engaged` and `released` are reasons of the brake; `held` lapses wait for it; the clocks of the partitions
    `distrusted` stand, because their records cannot be read."""

    engaged: str | None = None
    released: str | None = None
    held: int = 0
    distrusted: tuple[int, ...] = ()

    @property
    def words(self) -> list[str]:
        """For people; nothing while nothing is held back."""
        said = [f"the brake holds {self.held} lapses back: {WHY[self.engaged]}"] if self.engaged else []
        numbers = ", ".join(map(str, self.distrusted))
        return said + ([f"the clock of partition {numbers} stands: {_UNREADABLE}"] if numbers else [])


class BrakeControl:
    """One for the partitions of a process."""

    def __init__(self, rules: BrakeRules, clock: Clock, metrics: DetectMetrics) -> None:
        self._brake = Brake(rules)
        self._limited = rules.lapse_limit is not None
        self._clock = clock
        self._metrics = metrics
        self._partitions: dict[int, PartitionTask] = {}
        self._judged_at: Millis | None = None
        self._asked_to: SimpleQueue[Future[BrakeStatus]] = SimpleQueue()
        self._expired = 0
        self._next_line: Millis = 0
        self.status = BrakeStatus()

    def release(self) -> "Future[BrakeStatus]":
        """Have everything released that holds lapses back. The result says what that was."""
        answer: Future[BrakeStatus] = Future()
        self._asked_to.put(answer)
        return answer

    def observe(self, written_at: Times) -> None:
        """A batch was read: when its records were written."""
        self._brake.observe(np.minimum(written_at, self._clock.now()))  # (a producer's clock may be ahead)

    def count_readability(self, partition: PartitionTask, good: int, bad: int) -> None:
        """So many of a partition's records in it could be read, and so many not."""
        was_lost = partition.readability.distrusted
        partition.readability.count(good, bad)
        if partition.readability.distrusted and not was_lost:
            _log.error("partition_distrusted", partition=partition.partition, reason=_UNREADABLE)

    def update(self, partitions: Mapping[int, PartitionTask]) -> bool:
        """Once a turn: whether no lapse may be asked for."""
        self._obey()
        if self._partitions != partitions:
            new = [p.brake_state for number, p in partitions.items() if self._partitions.get(number) is not p]
            self._partitions = dict(partitions)
            self._judged_at = None
            self._brake.reset(*new)
        clocks = [p.watermark.value for p in partitions.values() if not p.readability.distrusted]
        known = [clock for clock in clocks if clock is not None]
        if known and len(known) == len(clocks) and (self._limited or min(known) != self._judged_at):
            self._judged_at = min(known)
            waiting = sum(p.count_due() for p in partitions.values()) if self._limited else 0
            self._brake.judge(self._judged_at, waiting)
        return self._brake.engaged is not None

    def record(self, found: Mapping[int, AdvanceResult]) -> None:
        """What came of the turn, by partition."""
        asked = sum(len(noticed.asked) for noticed in found.values())
        if self._judged_at is not None:
            self._brake.count_asked(self._judged_at, asked)
        engaged = self._brake.engaged
        if engaged:
            lapses = [noticed.lapses for noticed in found.values()]
            self._expired += sum(n for each in lapses for (_, _, outcome), n in each.items() if outcome == "expired")
        self._remember()
        held = sum(p.held for p in self._partitions.values()) if engaged else 0
        distrusted = tuple(sorted(number for number, p in self._partitions.items() if p.readability.distrusted))
        self._tell(BrakeStatus(engaged=engaged, released=self._brake.released, held=held, distrusted=distrusted))

    def _obey(self) -> None:
        while True:
            try:
                answer = self._asked_to.get_nowait()
            except Empty:
                return
            found = self.status
            self._brake.release()
            for partition in self._partitions.values():
                if partition.readability.distrusted:
                    partition.readability.release()
                    partition.advance_to(partition.position)
            _log.warning("brake_released", reason=found.engaged, held=found.held, partitions=list(found.distrusted))
            answer.set_result(found)

    def _remember(self) -> None:
        """With the state of every partition, so that neither a restart nor a move is a pardon."""
        brake = self._brake
        held = None if brake.engaged == "lapse_storm" else brake.engaged
        released = None if brake.released == "lapse_storm" else brake.released
        for partition in self._partitions.values():
            partition.brake_state = BrakeState(
                distrusted=partition.readability.distrusted, held=held, released=released
            )

    def _tell(self, status: BrakeStatus) -> None:
        before, self.status = self.status, status
        for reason in WHY:
            self._metrics.brake_engaged.labels(reason).set(reason == status.engaged)
        self._metrics.held_lapses.set(status.held)
        self._metrics.distrusted_partitions.set(len(status.distrusted))
        if status.engaged and status.engaged != before.engaged:
            _log.error("brake_engaged", reason=status.engaged, why=WHY[status.engaged], what_to_do=WHAT_TO_DO)
        if before.engaged and not status.engaged:
            _log.info("brake_let_go", reason=before.engaged, lapses=before.held)
        if self._expired and (not status.engaged or self._clock.monotonic() >= self._next_line):
            _log.error("lapses_expired_while_held", count=self._expired)
            self._expired = 0
            self._next_line = self._clock.monotonic() + _LOG_EVERY
