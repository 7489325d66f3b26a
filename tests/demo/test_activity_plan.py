"""The demo's people do believable things, and the same ones for the same seed."""

from collections import defaultdict
from itertools import islice, pairwise, takewhile
from pathlib import Path

import pytest

from consumer.clock import MINUTE, SECOND
from consumer.config.loader import load
from consumer.config.types import millis
from consumer.demo.activity_plan import PROCESSES, PlannedActivity, farewell, plan
from consumer.demo.people import people
from consumer.records import ActivityKind, UserActivity
from tests.demo.test_settings import SETTINGS

START = 1_700_000_000_000
CROWD = people(300, seed=1, now=START)
REMIND_AFTER = {name: millis(process.remind_after[0]) for name, process in SETTINGS.processes.items()}
CLOSING = {ActivityKind.COMPLETED, ActivityKind.CANCELLED}
FIRST_REMINDER = min(REMIND_AFTER.values())


def until(span: int, seed: int = 1) -> list[PlannedActivity]:
    return list(takewhile(lambda planned: planned.at < START + span, plan(CROWD, seed, START)))


def silences(planned: list[PlannedActivity]) -> list[tuple[UserActivity, int]]:
    """Each activity that closes nothing, and how long nothing followed it in its process."""
    by_process = defaultdict(list)
    for one in planned:
        by_process[one.activity.user_id, one.activity.process].append(one.activity)
    return [
        (before, after.occurred_at - before.occurred_at)
        for activities in by_process.values()
        for before, after in pairwise(activities)
        if before.kind not in CLOSING
    ]


@pytest.fixture(scope="module")
def two_minutes() -> list[PlannedActivity]:
    return until(2 * MINUTE)


def test_the_same_seed_tells_the_same_story(two_minutes: list[PlannedActivity]) -> None:
    assert list(islice(plan(CROWD, 1, START), 2_000)) == two_minutes[:2_000]
    assert list(islice(plan(CROWD, 2, START), 2_000)) != two_minutes[:2_000]


def test_events_come_in_the_order_of_their_writing_and_after_what_they_tell_of(
    two_minutes: list[PlannedActivity],
) -> None:
    assert all(before.at <= after.at for before, after in pairwise(two_minutes))
    assert all(0 < planned.at - planned.activity.occurred_at < SECOND for planned in two_minutes)


def test_three_hundred_people_make_a_hundred_to_two_hundred_events_a_second(two_minutes: list[PlannedActivity]) -> None:
    rate = len(two_minutes) / 120
    assert 100 <= rate <= 200
    assert 100 <= len(until(10 * SECOND)) / 10 <= 200


def test_people_progress_finish_cancel_come_back_and_stall(two_minutes: list[PlannedActivity]) -> None:
    kinds = {planned.activity.kind for planned in two_minutes}
    assert kinds == set(ActivityKind)
    gaps = silences(two_minutes)
    busy = [gap for _, gap in gaps if gap < FIRST_REMINDER]
    back = [gap for _, gap in gaps if FIRST_REMINDER <= gap < 20 * SECOND]
    gone = [gap for _, gap in gaps if gap >= 20 * SECOND]
    assert len(busy) > 50 * len(back)
    assert len(back) > 20
    assert len(gone) > 20


def test_somebody_goes_quiet_early_enough_for_a_message_within_ten_seconds(two_minutes: list[PlannedActivity]) -> None:
    lapses = [
        activity.occurred_at + REMIND_AFTER[activity.process]
        for activity, gap in silences(two_minutes)
        if gap >= REMIND_AFTER[activity.process]
    ]
    assert sum(at < START + 6 * SECOND for at in lapses) >= 5


@pytest.mark.slow
def test_nobody_comes_back_while_a_reminder_of_the_compose_file_is_on_its_way() -> None:
    environment = dict.fromkeys(("ONEMSG_TOKEN", "WEBHOOK_SECRET", "API_TOKEN"), "x" * 16)
    settings = load(Path(__file__).parents[2] / "deploy" / "lapse.compose.yaml", environment)
    for activity, gap in silences(until(10 * MINUTE)):
        for lapse in map(millis, settings.processes[activity.process].remind_after):
            assert not lapse <= gap < lapse + millis(settings.detect.allowed_lateness) + 6 * SECOND


def test_all_processes_are_seen_with_their_own_words_and_without(two_minutes: list[PlannedActivity]) -> None:
    assert set(PROCESSES) == set(REMIND_AFTER)
    seen = {(planned.activity.process, planned.activity.action is not None) for planned in two_minutes}
    own_words = {("checkout", True), ("document-upload", True)}
    assert seen == {(process, False) for process in PROCESSES} | own_words


def test_a_careful_producer_sometimes_sends_an_event_twice(two_minutes: list[PlannedActivity]) -> None:
    ids = [planned.activity.event_id for planned in two_minutes]
    twice = len(ids) - len(set(ids))
    assert 0 < twice < len(ids) * 0.03


def activity(user: str, kind: ActivityKind, at: int) -> UserActivity:
    return UserActivity(event_id="e", user_id=user, process="checkout", kind=kind, action="x", occurred_at=at)


def test_at_the_end_the_busy_finish_and_the_quiet_stay_quiet() -> None:
    latest = [
        activity("busy", ActivityKind.PROGRESSED, START - SECOND),
        activity("done", ActivityKind.COMPLETED, START - SECOND),
        activity("quiet", ActivityKind.PROGRESSED, START - 3 * SECOND),
    ]
    [last] = farewell(latest, START, "end")
    assert (last.user_id, last.process, last.kind, last.occurred_at) == (
        "busy",
        "checkout",
        ActivityKind.COMPLETED,
        START,
    )
