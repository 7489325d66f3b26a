"""ARCHITECTURE.md#the-brake: too little input, or too many lapses, is more likely a fault than the truth."""

import numpy as np

from consumer.clock import MINUTE, SECOND
from consumer.detect.brake import Brake, BrakeRules, BrakeState
from consumer.detect.input_quality import ReadabilityMonitor, SkewMonitor
from consumer.detect.volume import Volume

from .detect_diary import moment

NOON = moment("Mon 12:00")


class Story:
    """A minute at a time: so many records are written in it, and the clock gets to its end."""

    def __init__(self, **rules: object) -> None:
        self.brake = Brake(BrakeRules(**rules))  # type: ignore[arg-type]
        self.volume = Volume(MINUTE)
        self.volume.start(NOON)
        self.clock = NOON
        self.judged: str | None = None

    def minutes(self, count: int, records: int) -> "Story":
        for _ in range(count):
            self.volume.observe(self.clock + np.linspace(0, MINUTE - 1, records).astype(np.int64))
            self.clock += MINUTE
            self.judged = self.brake.judge([self.volume], self.clock)
        return self

    def restarts(self, *, after: int = 0) -> "Story":
        """With what is stored of it, so many minutes later, all of them without a record."""
        held = self.judged if self.judged in {"below_mean", "below_floor"} else None
        stored, watermark, mean = self.volume.store(), self.clock, self.brake.mean_before
        self.brake, self.volume = Brake(self.brake._rules), Volume(MINUTE, stored)
        self.brake.take_over([BrakeState(held=held, mean_before=mean)], watermark)
        self.clock += after * MINUTE
        self.judged = self.brake.judge([self.volume], self.clock)
        return self


def test_ordinary_ups_and_downs_hold_nothing_back() -> None:
    story = Story().minutes(5, 5_000)
    for records in (6_000, 4_000, 3_000, 2_000, 1_500, 1_000, 900, 6_000, 900):
        assert story.minutes(1, records).judged is None


def test_input_that_breaks_off_holds_lapses_back_until_it_is_there_again() -> None:
    story = Story().minutes(30, 6_000)
    assert story.minutes(1, 100).judged == "below_mean"
    assert story.minutes(5, 0).judged == "below_mean"
    assert story.minutes(1, 6_000).judged is None


def test_an_outage_that_was_read_late_looks_the_same_as_one_read_at_once() -> None:
    brake, volume = Brake(BrakeRules()), Volume(MINUTE)
    volume.observe(NOON + np.arange(0, 30 * MINUTE, 10))  # half an hour of backlog in one batch
    assert brake.judge([volume], NOON + 30 * MINUTE) is None
    assert brake.judge([volume], NOON + 32 * MINUTE) == "below_mean"


def test_an_outage_within_a_backlog_is_found_however_late_it_is_read() -> None:
    brake, volume = Brake(BrakeRules()), Volume(MINUTE)
    volume.observe(NOON + np.arange(0, 30 * MINUTE, 10))
    assert brake.judge([volume], NOON + 5 * 60 * MINUTE) == "below_mean"


def test_volume_that_stays_low_becomes_the_new_normal() -> None:
    story = Story().minutes(60, 6_000).minutes(2, 300)
    assert story.judged == "below_mean"
    assert story.minutes(60, 300).judged is None


def test_a_trickle_may_pause_without_meaning_anything() -> None:
    assert Story().minutes(60, 5).minutes(3, 0).judged is None
    assert Story().minutes(60, 1).minutes(60, 0).judged is None


def test_sparse_input_is_judged_over_a_longer_time() -> None:
    story = Story().minutes(6 * 60, 10)
    assert story.judged is None
    assert story.minutes(12, 0).judged is None
    assert story.minutes(20, 0).judged == "below_mean"
    assert story.minutes(30, 10).judged is None


def test_sparse_input_that_comes_back_after_a_long_outage_is_normal_at_once() -> None:
    """There is no mean any more: the hours without a record have diluted it. That of before the outage counts."""
    for restarts in (False, True):
        story = Story().minutes(8 * 60, 2).minutes(4 * 60, 0)
        assert story.judged == "below_mean"
        story = story.restarts() if restarts else story
        assert story.minutes(5, 2).judged == "below_mean", "too few yet"
        assert story.minutes(2, 2).judged is None
        assert story.minutes(8 * 60, 2).judged is None
    assert Story().minutes(60, 6_000).minutes(12 * 60, 0).minutes(1, 6_000).judged is None
    assert Story().minutes(60, 6_000).minutes(12 * 60, 10).judged is None, "what stays low becomes the new normal"


def test_until_there_is_enough_to_judge_by_lapses_wait() -> None:
    story = Story()
    assert story.brake.engaged == "warming_up"
    assert story.minutes(5, 6_000).judged == "warming_up"
    assert story.minutes(1, 6_000).judged is None
    assert Story().minutes(59, 1).judged == "warming_up"
    assert Story().minutes(60, 1).judged is None, "an hour is enough, however little was heard"
    assert Story(warm_up=3 * MINUTE).minutes(2, 1).judged == "warming_up"
    assert Story(warm_up=3 * MINUTE).minutes(3, 1).judged is None, "nor need it be longer than the shortest rung"
    assert Story(share_of_mean=None).minutes(1, 0).judged is None, "there is nothing to judge"


def test_at_the_first_start_history_is_enough() -> None:
    brake, volume = Brake(BrakeRules()), Volume(MINUTE)
    volume.observe(NOON - np.arange(0, 24 * 60 * MINUTE, SECOND))
    assert brake.judge([volume], NOON) is None


def test_input_that_dies_before_a_restart_or_during_it_is_still_missed() -> None:
    story = Story().minutes(30, 6_000).restarts().minutes(2, 0)
    assert story.judged == "below_mean"
    assert story.restarts().judged == "below_mean"
    assert Story().minutes(30, 6_000).restarts(after=20).judged == "below_mean"
    assert Story().minutes(30, 6_000).restarts(after=5 * 60).judged == "below_mean"
    assert story.minutes(240, 0).judged == "below_mean", "and is never the new normal"


def test_a_restart_changes_nothing_about_normal_input() -> None:
    story = Story().minutes(30, 6_000)
    for _ in range(20):
        assert story.restarts().judged is None
        assert story.minutes(1, 6_000).judged is None


def test_times_that_are_apart_hold_lapses_back_as_long_as_they_are() -> None:
    brake, volume = Brake(BrakeRules(share_of_mean=None)), Volume(MINUTE)
    assert brake.judge([volume], NOON, skewed=True) == "clock_skew"
    assert brake.release() == "clock_skew"
    assert brake.judge([volume], NOON + MINUTE, skewed=True) is None
    assert brake.judge([volume], NOON + MINUTE, skewed=False) is None
    assert brake.judge([volume], NOON + MINUTE, skewed=True) == "clock_skew"


def test_most_events_of_the_last_minutes_tell_whether_times_are_apart() -> None:
    skew = SkewMonitor(clock_doubt=60 * MINUTE)
    skew.observe(np.full(19, 5 * 60 * MINUTE), NOON)
    assert not skew.skewed, "too few to tell"
    skew.observe(np.full(1, 5 * 60 * MINUTE), NOON + MINUTE)
    assert (skew.skewed, skew.median) == (True, 5 * 60 * MINUTE)
    skew.observe(np.full(18, SECOND), NOON + 10 * MINUTE)
    assert skew.skewed
    skew.observe(np.full(2, SECOND), NOON + 11 * MINUTE)
    assert not skew.skewed


def test_phones_that_send_late_are_the_few() -> None:
    skew = SkewMonitor(clock_doubt=60 * MINUTE)
    skew.observe(np.array([SECOND] * 60 + [20 * 60 * MINUTE] * 40), NOON)
    assert not skew.skewed


def test_a_floor_is_a_floor_from_the_first_full_window() -> None:
    story = Story(floor=10.0, share_of_mean=None)
    assert story.minutes(1, 600).judged is None
    assert story.minutes(1, 599 - 60).judged == "below_floor"


def test_a_released_reason_holds_nothing_back_until_it_has_passed_and_come_again() -> None:
    story = Story(floor=10.0, share_of_mean=None).minutes(2, 600).minutes(1, 0)
    assert story.judged == "below_floor"
    assert story.brake.release() == "below_floor"
    assert story.minutes(3, 0).judged is None
    assert story.minutes(1, 700).judged is None
    assert story.minutes(1, 0).judged == "below_floor"


def test_lapses_that_come_faster_than_allowed_are_held_back() -> None:
    brake = Brake(BrakeRules(lapse_limit=100, share_of_mean=None))
    assert brake.judge([], NOON, due=60) is None
    brake.count_asked(NOON, 60)
    assert brake.judge([], NOON + 30 * SECOND, due=40) is None
    assert brake.judge([], NOON + 30 * SECOND, due=41) == "lapse_storm"
    assert brake.judge([], NOON + MINUTE, due=41) is None


def test_volume_is_stored_in_spans_and_restored_as_evenly_spread() -> None:
    volume = Volume(MINUTE)
    volume.observe(NOON + np.arange(0, 8 * 60 * MINUTE, 250))
    stored = volume.store()
    assert stored is not None
    assert len(stored.counts) == 64 + 48
    copy = Volume(MINUTE, stored)
    assert copy.store() == stored
    end = NOON + 8 * 60 * MINUTE
    for span in (MINUTE, 60 * MINUTE, 6 * 60 * MINUTE):
        assert abs(copy.count(end - span, end) - volume.count(end - span, end)) <= 2
    assert Volume(2 * MINUTE, stored).store() is None, "of another window it says nothing"


def test_records_of_long_ago_do_not_disturb_the_count() -> None:
    volume = Volume(MINUTE)
    volume.observe(np.array([NOON, NOON + 1]))
    volume.observe(np.array([5, NOON + 2]))
    assert volume.count(NOON - 60 * MINUTE, NOON + MINUTE) == 3


def test_unreadable_records_are_not_silence() -> None:
    trust = ReadabilityMonitor(max_bad_share=0.5)
    trust.count(good=50, bad=40)
    assert not trust.distrusted
    trust.count(good=0, bad=60)
    assert trust.distrusted
    trust.count(good=10_000, bad=0)
    assert trust.distrusted
    trust.release()
    assert not trust.distrusted


def test_a_few_bad_records_at_the_start_are_no_verdict() -> None:
    trust = ReadabilityMonitor(max_bad_share=0.5)
    trust.count(good=1, bad=98)
    assert not trust.distrusted
