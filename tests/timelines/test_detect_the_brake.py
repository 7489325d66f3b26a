"""The brake (design §4): too little input, or too many lapses, is more likely a fault than the truth."""

import numpy as np

from consumer.clock import MINUTE, SECOND
from consumer.detect.brake import Brake, BrakeRules, ReadabilityMonitor

from .detect_diary import moment

NOON = moment("Mon 12:00")


class Story:
    """A minute at a time: so many records are written in it, and the clock gets to its end."""

    def __init__(self, **rules: object) -> None:
        self.brake = Brake(BrakeRules(**rules))  # type: ignore[arg-type]
        self.clock = NOON
        self.judged: str | None = None

    def minutes(self, count: int, records: int) -> "Story":
        for _ in range(count):
            self.brake.observe(self.clock + np.linspace(0, MINUTE - 1, records).astype(np.int64))
            self.clock += MINUTE
            self.judged = self.brake.judge(self.clock, due=0)
        return self


def test_ordinary_ups_and_downs_hold_nothing_back() -> None:
    story = Story()
    for records in (6_000, 4_000, 3_000, 2_000, 1_500, 1_000, 900, 6_000, 900):
        assert story.minutes(1, records).judged is None


def test_input_that_breaks_off_holds_lapses_back_until_it_is_there_again() -> None:
    story = Story().minutes(30, 6_000)
    assert story.minutes(1, 100).judged == "below_mean"
    assert story.minutes(5, 0).judged == "below_mean"
    assert story.minutes(1, 6_000).judged is None


def test_an_outage_that_was_read_late_looks_the_same_as_one_read_at_once() -> None:
    story = Story()
    written = NOON + np.arange(0, 30 * MINUTE, 10)
    story.brake.observe(written)  # half an hour of backlog in one batch
    assert story.brake.judge(NOON + 30 * MINUTE, due=0) is None
    assert story.brake.judge(NOON + 32 * MINUTE, due=0) == "below_mean"


def test_volume_that_stays_low_becomes_the_new_normal() -> None:
    story = Story().minutes(60, 6_000).minutes(2, 300)
    assert story.judged == "below_mean"
    assert story.minutes(60, 300).judged is None


def test_a_trickle_may_pause_without_meaning_anything() -> None:
    assert Story().minutes(60, 5).minutes(3, 0).judged is None


def test_nothing_is_judged_by_a_mean_before_there_is_one() -> None:
    assert Story().minutes(3, 6_000).minutes(1, 0).judged is None


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
    assert brake.judge(NOON, due=60) is None
    brake.count_asked(NOON, 60)
    assert brake.judge(NOON + 30 * SECOND, due=40) is None
    assert brake.judge(NOON + 30 * SECOND, due=41) == "lapse_storm"
    assert brake.judge(NOON + MINUTE, due=41) is None


def test_other_partitions_begin_another_history() -> None:
    story = Story().minutes(30, 6_000)
    story.brake.reset()
    assert story.minutes(2, 0).judged is None


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
