"""Connects the brake and the readability monitors to detect's loop.

The loop's thread owns it. Other threads may read `status` and call `release`, which the loop then carries out.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np
import structlog

from consumer.clock import MINUTE, SECOND, Clock, Millis
from consumer.detect.brake import Brake, BrakeRules, BrakeState
from consumer.detect.lapse_rules import Times
from consumer.detect.table import AdvanceResult
from consumer.kafka.detect_loop.partition_task import PartitionTask
from consumer.metrics import DetectMetrics

EXPLANATIONS = {
    "below_floor": "fewer records than detect.brake.floor arrive",
    "below_mean": "far fewer records than in the time before arrive (detect.brake.share_of_mean)",
    "clock_skew": "most events have times further from their records' than detect.clock_doubt: was a time zone"
    " forgotten, or is history being written anew?",
    "warming_up": "the input was not observed for long enough to be judged (detect.brake.mean_over at most, or the"
    " shortest rung), or not in all partitions yet (five minutes at most)",
    "lapse_storm": "more lapses than detect.brake.lapse_limit are due at once",
}
WHAT_TO_DO = (
    "Look whether the input is whole. Nothing is asked for until it is normal again, or until `lapse brake release`"
)
_DISTRUSTED_TEXT = (
    "too many records cannot be read (detect.bad_record_share), so silence means nothing and its watermark stands"
    " still. Look at `lapse dead-letters list`, put it right, and then run `lapse brake release`"
)
_LOG_INTERVAL_MS: Millis = MINUTE
_JOIN_TIMEOUT_MS: Millis = 5 * MINUTE
"""For how long after a start the input is not judged without partitions that are still behind the others."""
_STORED_REASONS = frozenset({"below_floor", "below_mean"})
"""Reasons that are stored as found; the others are found anew after a restart."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeStatus:
    """`engaged` and `released` are reasons of the brake; `held` is the number of lapses held back; the watermarks of
    the partitions in `distrusted` stand still, because their records cannot be read."""

    engaged: str | None = None
    released: str | None = None
    held: int = 0
    distrusted: tuple[int, ...] = ()

    @property
    def words(self) -> list[str]:
        """Return lines for people; none while nothing is held back."""
        lines, numbers = [], ", ".join(map(str, self.distrusted))
        if self.engaged and (self.held or self.engaged != "warming_up"):
            lines.append(f"the brake holds {self.held} lapses back: {EXPLANATIONS.get(self.engaged, self.engaged)}")
        if numbers:
            lines.append(f"the watermark of partition {numbers} stands still: {_DISTRUSTED_TEXT}")
        return lines


class BrakeControl:
    """One for all partitions of a process."""

    def __init__(self, rules: BrakeRules, clock: Clock, metrics: DetectMetrics) -> None:
        self._brake = Brake(rules)
        self._limited = rules.lapse_limit is not None
        self._clock = clock
        self._metrics = metrics
        self._tasks: dict[int, PartitionTask] = {}
        self._lag_limit: Millis = max(rules.window, MINUTE)
        self._judged_at: Millis | None = None
        self._judges_all_until: Millis = 0
        """Until then (monotonic) the input is judged over all partitions, or not at all."""
        self._release_requests: SimpleQueue[Future[BrakeStatus]] = SimpleQueue()
        self._expired = 0
        self._next_line: Millis = 0
        self.status = BrakeStatus()

    def release(self) -> "Future[BrakeStatus]":
        """Request the release of everything that holds lapses back. The result says what that was."""
        answer: Future[BrakeStatus] = Future()
        self._release_requests.put(answer)
        return answer

    def observe(self, task: PartitionTask, written_at: Times, skew: Times, bad: int, now: Millis) -> None:
        """Count a partition's batch: when its records were written, how far after their events, how many are bad."""
        task.volume.observe(np.minimum(written_at, now))  # a producer's clock may be ahead
        task.skew.observe(skew, now)
        self._metrics.event_skew.labels(task.partition).set(task.skew.median / SECOND)
        was_distrusted = task.readability.distrusted
        task.readability.count(written_at.size - bad, bad)
        if task.readability.distrusted and not was_distrusted:
            _log.error("partition_distrusted", partition=task.partition, reason=_DISTRUSTED_TEXT)

    def update(self, tasks: Mapping[int, PartitionTask]) -> frozenset[int]:
        """Judge the input, once a turn, when lapses were found. Returns the partitions whose lapses must be held back.

        Partitions whose watermark is far behind the others' are not judged by: they may be stuck. Their lapses wait.
        After a start all lapses wait for them: of a thin input one partition alone shows nothing.
        """
        self._handle_releases()
        if self._tasks != tasks:
            self._take_over(tasks)
        abreast = self._find_abreast()
        if not abreast or self._waits_for_others(abreast):
            return frozenset(tasks)
        clock = min(task.watermark.value or 0 for task in abreast.values())
        if self._limited or clock != self._judged_at:
            self._judged_at = clock
            due = sum(task.table.waiting for task in abreast.values())
            skewed = any(task.skew.skewed for task in abreast.values())
            self._brake.judge([task.volume for task in abreast.values()], clock, skewed=skewed, due=due)
        return frozenset(tasks if self._brake.engaged else tasks.keys() - abreast.keys())

    def _take_over(self, tasks: Mapping[int, PartitionTask]) -> None:
        new = [task for partition, task in tasks.items() if self._tasks.get(partition) is not task]
        self._tasks = dict(tasks)
        self._judged_at = None
        self._judges_all_until = self._clock.monotonic() + _JOIN_TIMEOUT_MS
        watermarks = [task.watermark.value for task in tasks.values() if task.watermark.value is not None]
        self._brake.take_over([task.brake_state for task in new], min(watermarks, default=None))

    def _find_abreast(self) -> dict[int, PartitionTask]:
        known = {p: t for p, t in self._tasks.items() if t.watermark.value is not None and not t.readability.distrusted}
        latest = max((task.watermark.value or 0 for task in known.values()), default=0)
        return {p: t for p, t in known.items() if (t.watermark.value or 0) >= latest - self._lag_limit}

    def _waits_for_others(self, abreast: Mapping[int, PartitionTask]) -> bool:
        """Return whether partitions were taken over that have not caught up yet, and may still."""
        behind = any(not task.readability.distrusted for p, task in self._tasks.items() if p not in abreast)
        if not behind:
            self._judges_all_until = 0
        return behind and self._clock.monotonic() < self._judges_all_until

    def record(self, results: Mapping[int, AdvanceResult]) -> None:
        """Record the results of a turn by partition."""
        asked = sum(len(batch) for result in results.values() for batch in result.asked)
        if self._judged_at is not None:
            self._brake.count_asked(self._judged_at, asked)
        engaged = self._brake.engaged
        if engaged:
            lapses = [result.lapses for result in results.values()]
            self._expired += sum(n for each in lapses for (_, _, outcome), n in each.items() if outcome == "expired")
        self._store_brake_state()
        held = sum(task.table.waiting for task in self._tasks.values()) if engaged else 0
        distrusted = tuple(sorted(number for number, p in self._tasks.items() if p.readability.distrusted))
        self._report(BrakeStatus(engaged=engaged, released=self._brake.released, held=held, distrusted=distrusted))

    def _handle_releases(self) -> None:
        while True:
            try:
                answer = self._release_requests.get_nowait()
            except Empty:
                return
            results = self.status
            self._brake.release()
            self._judges_all_until = 0
            for partition in self._tasks.values():
                if partition.readability.distrusted:
                    partition.readability.release()
                    partition.advance_to(partition.position)
            _log.warning(
                "brake_released", reason=results.engaged, held=results.held, partitions=list(results.distrusted)
            )
            answer.set_result(results)

    def _store_brake_state(self) -> None:
        """Give every partition the brake's reasons: to tell deliver, and so that no restart or move lifts them."""
        brake = self._brake
        held = brake.engaged if brake.engaged in _STORED_REASONS else None
        released = brake.released if brake.released in _STORED_REASONS | {"clock_skew"} else None
        for partition in self._tasks.values():
            partition.brake_reason = brake.engaged
            partition.brake_state = BrakeState(
                distrusted=partition.readability.distrusted,
                tolerated=partition.readability.tolerated,
                skewed=partition.skew.skewed,
                held=held,
                released=released,
                mean_before=brake.mean_before,
            )

    def _report(self, status: BrakeStatus) -> None:
        before, self.status = self.status, status
        for reason in EXPLANATIONS:
            self._metrics.brake_engaged.labels(reason).set(reason == status.engaged)
        self._metrics.held_lapses.set(status.held)
        self._metrics.distrusted_partitions.set(len(status.distrusted))
        if status.engaged == "warming_up" and before.engaged is None:
            _log.info("brake_warming_up", why=EXPLANATIONS["warming_up"])
        elif status.engaged and status.engaged != before.engaged:
            _log.error("brake_engaged", reason=status.engaged, why=EXPLANATIONS[status.engaged], what_to_do=WHAT_TO_DO)
        if before.engaged and not status.engaged:
            _log.info("brake_let_go", reason=before.engaged, lapses=before.held)
        if self._expired and (not status.engaged or self._clock.monotonic() >= self._next_line):
            _log.error("lapses_expired_while_held", count=self._expired)
            self._expired = 0
            self._next_line = self._clock.monotonic() + _LOG_INTERVAL_MS
