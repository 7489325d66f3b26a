"""Brake control over partitions: what is held back, what is stored, and what a release does."""

from concurrent.futures import Future

import numpy as np
import pytest
import structlog
from prometheus_client import CollectorRegistry

from consumer.clock import HOUR, MINUTE, SECOND, Clock, Millis
from consumer.detect.brake import BrakeRules
from consumer.kafka.detect_loop.brake_control import BrakeControl, BrakeStatus
from consumer.metrics import DetectMetrics

from .detect_diary import Diary, moment


class _Told(Clock):
    def __init__(self) -> None:
        self.told: Millis = moment("Mon 09:00")

    def now(self) -> Millis:
        return self.told

    def monotonic(self) -> Millis:
        return self.told


class Watched:
    """A diary whose lapses pass through the brake, a turn at a time."""

    def __init__(self, diary: Diary | None = None, **rules: object) -> None:
        self.diary = diary or Diary()
        self.clock = _Told()
        self.registry = CollectorRegistry()
        self.brake_control = BrakeControl(BrakeRules(**rules), self.clock, DetectMetrics(self.registry))  # type: ignore[arg-type]

    def hears(self, records: int, *, unreadable: int = 0) -> "Watched":
        """A batch from the last minute."""
        written = self.clock.told - np.linspace(MINUTE - 1, 0, records + unreadable).astype(np.int64)
        self.brake_control.observe(
            self.diary.partition, written, np.zeros(records, np.int64), unreadable, self.clock.told
        )
        return self

    def turns(self, when: str) -> list[str]:
        """Whom it asks about when the clock reaches this moment and everything has been read."""
        self.diary.at(when)
        self.clock.told = self.diary.now
        partition = self.diary.partition
        self.diary.asks_for_the_end()
        partition.advance_to(partition.position)
        partition.find_lapses(self.diary.now)
        held = self.brake_control.update({0: partition})
        noticed = partition.collect_lapses(self.diary.now, hold=0 in held)
        self.brake_control.record({0: noticed})
        return [str(reminder.user_id) for reminder in noticed.reminders()]

    def is_released(self) -> BrakeStatus:
        answer: Future[BrakeStatus] = self.brake_control.release()
        self.brake_control.update({0: self.diary.partition})
        self.brake_control.record({})
        return answer.result(0)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


def somebody_stalls(**rules: object) -> Watched:
    watched = Watched(None, **rules)
    watched.diary.at("Mon 09:00").happens("maria", "STARTED", "checkout").reads()
    return watched


def test_while_the_input_is_below_its_floor_nothing_is_asked_and_then_it_is() -> None:
    watched = somebody_stalls(floor=10.0)
    with structlog.testing.capture_logs() as said:
        assert watched.hears(700).turns("Mon 09:01") == []
        assert watched.turns("Mon 11:00:30") == [], "due, and held back"
    [line] = [line for line in said if line["event"] == "brake_engaged"]
    assert "lapse brake release" in line["what_to_do"]
    assert watched.metric("lapse_brake_engaged", reason="below_floor") == 1
    assert watched.metric("lapse_held_lapses") == 1
    assert watched.brake_control.status.words[0].startswith("the brake holds 1 lapses back: fewer records than")
    watched.clock.told = moment("Mon 11:05")
    assert watched.hears(700).turns("Mon 11:05") == ["maria"]
    assert watched.metric("lapse_brake_engaged", reason="below_floor") == 0


def test_after_a_release_held_lapses_are_asked_for_once() -> None:
    watched = somebody_stalls(floor=10.0)
    watched.hears(700).turns("Mon 09:01")
    assert watched.turns("Mon 11:01") == []
    assert watched.is_released().held == 1
    assert watched.turns("Mon 11:02") == ["maria"]
    assert watched.turns("Mon 11:03") == []


def test_what_expires_while_it_is_held_is_counted_and_never_asked_for() -> None:
    watched = somebody_stalls(floor=10.0)
    watched.hears(700).turns("Mon 09:01")
    assert watched.turns("Mon 12:00") == []
    with structlog.testing.capture_logs() as said:
        assert watched.turns("Thu 12:00") == []
    assert [line["count"] for line in said if line["event"] == "lapses_expired_while_held"] == [1]
    watched.is_released()
    assert watched.turns("Thu 12:01") == []


def test_somebody_who_comes_back_while_it_is_held_is_not_asked_about() -> None:
    watched = somebody_stalls(floor=10.0)
    watched.hears(700).turns("Mon 09:01")
    assert watched.turns("Mon 11:30") == []
    watched.diary.happens("maria", "COMPLETED", "checkout").reads()
    watched.is_released()
    assert watched.turns("Mon 11:40") == []
    assert "maria" not in watched.turns("Mon 11:50")


def test_restart_keeps_the_brake_engaged() -> None:
    watched = somebody_stalls(floor=10.0)
    watched.hears(700).turns("Mon 09:01")
    assert watched.turns("Mon 11:01") == []
    watched.diary.crashes_and_restarts()
    after = Watched(watched.diary, floor=10.0)
    assert after.turns("Mon 11:01:10") == [], "nothing is known yet, and what was said stands"
    assert after.brake_control.status.engaged == "below_floor"
    assert after.turns("Mon 11:03") == [], "now it is known to be low"


def test_release_outlives_a_restart() -> None:
    watched = somebody_stalls(floor=10.0)
    watched.hears(700).turns("Mon 09:01")
    watched.turns("Mon 11:01")
    watched.is_released()
    watched.diary.crashes_and_restarts()
    after = Watched(watched.diary, floor=10.0)
    assert after.turns("Mon 11:02") == ["maria"]
    assert after.turns("Mon 11:10") == []
    assert after.brake_control.status.released == "below_floor"


def test_an_input_that_stays_dead_for_hours_is_not_taken_for_the_new_normal() -> None:
    watched = somebody_stalls(share_of_mean=0.1)
    for minute in range(1, 30):
        watched.clock.told = moment(f"Mon 09:{minute:02}")
        watched.hears(600).turns(f"Mon 09:{minute:02}")
    assert watched.turns("Mon 09:32") == []
    assert watched.brake_control.status.engaged == "below_mean"
    assert [watched.turns(f"Mon {hour}:00") for hour in range(10, 15)] == [[]] * 5
    assert watched.brake_control.status.engaged == "below_mean"


def test_more_lapses_than_allowed_are_held_back_until_an_operator_says_that_they_are_meant() -> None:
    watched = Watched(lapse_limit=2)
    watched.diary.at("Mon 09:00")
    for user in ("ana", "boris", "chloe"):
        watched.diary.happens(user, "STARTED", "checkout")
    watched.diary.reads()
    assert watched.turns("Mon 11:01") == []
    assert watched.brake_control.status.engaged == "lapse_storm"
    assert watched.is_released().engaged == "lapse_storm"
    assert sorted(watched.turns("Mon 11:02")) == ["ana", "boris", "chloe"]


def test_past_the_share_of_unreadable_records_the_clock_stands_until_it_is_released() -> None:
    watched = somebody_stalls()
    watched.turns("Mon 10:00")
    before = watched.diary.partition.watermark.value
    watched.hears(40, unreadable=60)
    assert watched.turns("Mon 11:30") == []
    assert watched.diary.partition.watermark.value == before
    assert watched.brake_control.status.distrusted == (0,)
    assert watched.metric("lapse_distrusted_partitions") == 1
    watched.diary.crashes_and_restarts()
    after = Watched(watched.diary)
    assert after.turns("Mon 11:40") == [], "remembered with the state"
    assert after.is_released().distrusted == (0,)
    assert after.turns("Mon 11:50") == ["maria"]
    after.diary.crashes_and_restarts()
    assert not after.diary.partition.readability.distrusted, "and so is the release"


def test_a_release_lasts_while_as_many_records_as_then_cannot_be_read() -> None:
    watched = somebody_stalls()
    watched.turns("Mon 10:00")
    watched.hears(40, unreadable=60)
    watched.turns("Mon 10:30")
    assert watched.is_released().distrusted == (0,)
    for minute in range(31, 40):
        watched.hears(40, unreadable=60).turns(f"Mon 10:{minute}")
        assert not watched.brake_control.status.distrusted
    watched.diary.crashes_and_restarts()
    after = Watched(watched.diary)
    after.hears(40, unreadable=60).turns("Mon 10:40")
    assert not after.brake_control.status.distrusted, "after a restart too"
    after.hears(5, unreadable=95).hears(5, unreadable=995).turns("Mon 10:41")
    assert list(after.brake_control.status.distrusted) == [0], "far more than what was released"


def test_a_release_is_over_once_the_share_was_normal() -> None:
    watched = somebody_stalls()
    watched.turns("Mon 10:00")
    watched.hears(40, unreadable=60)
    watched.turns("Mon 10:30")
    watched.is_released()
    watched.hears(2000).turns("Mon 10:31")
    watched.hears(40, unreadable=2500).turns("Mon 10:32")
    assert watched.brake_control.status.distrusted == (0,)


@pytest.mark.parametrize("span", [10 * SECOND, 3 * HOUR])
def test_a_producers_clock_that_is_ahead_hides_no_record(span: Millis) -> None:
    watched = somebody_stalls(floor=1.0, share_of_mean=None)
    watched.turns("Mon 11:00")
    watched.clock.told = moment("Mon 11:02")
    ahead = np.full(200, watched.clock.told + span)
    watched.brake_control.observe(watched.diary.partition, ahead, np.zeros(200, np.int64), 0, watched.clock.told)
    assert watched.turns("Mon 11:02") == ["maria"]


class TestSeveralPartitions:
    """Each with somebody who stalls at checkout at 09:00, and a watermark of its own."""

    def setup_method(self) -> None:
        self.clock = _Told()
        self.diaries = [Diary(), Diary()]
        for number, diary in enumerate(self.diaries):
            diary.at("Mon 09:00").happens(f"user-{number}", "STARTED", "checkout").reads()

    def control(self, **rules: object) -> BrakeControl:
        return BrakeControl(BrakeRules(**rules), self.clock, DetectMetrics(CollectorRegistry()))  # type: ignore[arg-type]

    def turn(self, control: BrakeControl, when: str, stuck: tuple[int, ...] = ()) -> list[str]:
        """Whom they ask about when all but the stuck ones have been read up to this moment."""
        self.clock.told = moment(when)
        tasks = {number: diary.partition for number, diary in enumerate(self.diaries)}
        for number, diary in enumerate(self.diaries):
            if number not in stuck:
                diary.at(when).asks_for_the_end()
                diary.partition.advance_to(diary.partition.position)
        for task in tasks.values():
            task.find_lapses(self.clock.told)
        held = control.update(tasks)
        results = {n: task.collect_lapses(self.clock.told, hold=n in held) for n, task in tasks.items()}
        control.record(results)
        return [str(reminder.user_id) for result in results.values() for reminder in result.reminders()]

    def test_one_that_is_stuck_does_not_stop_the_judging_of_the_others(self) -> None:
        control, written = self.control(), moment("Mon 09:00")
        assert self.turn(control, "Mon 09:00") == []
        everything = np.arange(written, moment("Mon 11:01"), 100)
        control.observe(self.diaries[0].partition, everything, np.zeros(1, np.int64), 0, moment("Mon 11:01"))
        assert self.turn(control, "Mon 11:01", stuck=(1,)) == ["user-0"]
        assert self.turn(control, "Mon 11:04", stuck=(1,)) == []
        assert control.status.engaged == "below_mean", "the other's input has died"

    def test_one_that_was_stuck_asks_once_it_is_abreast_again(self) -> None:
        control = self.control(share_of_mean=None)
        self.turn(control, "Mon 09:00")
        assert self.turn(control, "Mon 11:01", stuck=(1,)) == ["user-0"]
        assert self.turn(control, "Mon 11:02") == ["user-1"]

    def test_a_first_start_asks_no_more_than_the_limit_allows(self) -> None:
        control = self.control(share_of_mean=None, lapse_limit=1)
        self.turn(control, "Mon 09:00")
        assert self.turn(control, "Mon 11:01", stuck=(1,)) == ["user-0"], "the only one that is not behind"
        assert self.turn(control, "Mon 11:01:20") == []
        assert control.status.engaged == "lapse_storm"
        assert self.turn(control, "Mon 11:02:10") == ["user-1"]

    def test_at_a_start_lapses_wait_for_partitions_that_are_still_behind(self) -> None:
        """Two records a minute for eight hours, then none: in one partition alone that means nothing."""
        control, end = self.control(), moment("Mon 10:00")
        for diary in self.diaries:
            written = np.arange(end - 8 * HOUR, end, MINUTE)
            control.observe(diary.partition, written, np.zeros(1, np.int64), 0, end)
        assert self.turn(control, "Mon 12:00", stuck=(1,)) == []
        assert control.status.engaged == "warming_up"
        assert self.turn(control, "Mon 12:00:10") == []
        assert control.status.engaged == "below_mean", "both together have stopped"

    def test_at_a_start_one_that_stays_behind_is_not_waited_for_without_end(self) -> None:
        control = self.control(share_of_mean=None)
        assert self.turn(control, "Mon 12:00", stuck=(1,)) == []
        assert self.turn(control, "Mon 12:04:59", stuck=(1,)) == []
        assert self.turn(control, "Mon 12:05", stuck=(1,)) == ["user-0"]

    def test_a_release_waits_for_none(self) -> None:
        control = self.control()
        assert self.turn(control, "Mon 12:00", stuck=(1,)) == []
        control.release()
        assert self.turn(control, "Mon 12:00:01", stuck=(1,)) == ["user-0"]

    def test_one_whose_records_cannot_be_read_is_not_waited_for(self) -> None:
        control = self.control(share_of_mean=None)
        control.observe(self.diaries[1].partition, np.zeros(200, np.int64), np.zeros(0, np.int64), 200, self.clock.told)
        assert self.turn(control, "Mon 12:00") == ["user-0"]

    def test_times_that_are_apart_in_one_hold_back_all(self) -> None:
        control = self.control(share_of_mean=None)
        self.turn(control, "Mon 09:00")
        self.clock.told = moment("Mon 11:00")
        stamps = np.full(40, self.clock.told)
        control.observe(self.diaries[1].partition, stamps, np.full(40, 5 * HOUR), 0, self.clock.told)
        assert self.turn(control, "Mon 11:01") == []
        assert control.status.engaged == "clock_skew"
        control.observe(self.diaries[1].partition, stamps, np.full(80, SECOND), 0, moment("Mon 11:06"))
        assert self.turn(control, "Mon 11:06") == ["user-0", "user-1"]
