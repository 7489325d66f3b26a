"""Send windows in the file, and mistakes in them."""

from pathlib import Path

import pytest

from consumer.clock import HOUR
from consumer.send_window import Window

from .config_files import SMALL, loaded, problems


def with_window(window: str, more: str = "") -> str:
    return f"{SMALL}\npolicy: {{send_window: {window}{more}}}\n"


def test_window_is_read(file: Path) -> None:
    found = loaded(file, with_window('{from: "09:00", to: "20:00", days: [mon, wed, fri]}')).policy.send_window
    assert found is not None
    assert found.window == Window(9 * HOUR, 20 * HOUR, frozenset({0, 2, 4}))


def test_window_without_days_opens_every_day(file: Path) -> None:
    found = loaded(file, with_window('{from: "22:00", to: "02:00"}')).policy.send_window
    assert found is not None
    assert found.window == Window(22 * HOUR, 2 * HOUR)


def test_window_can_be_set_by_environment(file: Path) -> None:
    found = loaded(file, with_window('{from: "09:00", to: "20:00"}'), LAPSE_POLICY__SEND_WINDOW__FROM="10:30")
    assert found.policy.send_window is not None
    assert found.policy.send_window.window.opens == 10.5 * HOUR


@pytest.mark.parametrize("time", ["20:00", '"25:00"', '"24:01"', '"9"', '"09:60"', "null"])
def test_invalid_time_of_day_is_refused(file: Path, time: str) -> None:
    (said,) = problems(file, with_window(f'{{from: {time}, to: "23:00"}}'))
    assert said == 'lapse.yaml:6: policy.send_window.from: write a time of day in quotes, such as "09:00"'


def test_misspelt_key_suggests_the_right_one(file: Path) -> None:
    (said,) = problems(file, with_window('{form: "09:00", to: "20:00"}'))
    assert said == "lapse.yaml:6: policy.send_window.form: unknown key; did you mean from?"


def test_window_of_equal_times_says_how_to_write_the_whole_day(file: Path) -> None:
    (said,) = problems(file, with_window('{from: "09:00", to: "09:00"}'))
    assert 'for the whole day write from: "00:00", to: "24:00"' in said


def test_window_closed_longer_than_expire_after_is_refused(file: Path) -> None:
    (said,) = problems(file, with_window('{from: "09:00", to: "20:00", days: [mon]}'))
    assert "policy.send_window can stay closed for 6d14h" in said
    assert "policy.expire_after (3d): reminders would expire before it opens" in said
    loaded(file, with_window('{from: "09:00", to: "20:00", days: [mon]}', ", expire_after: 7d"))


def test_window_of_a_process_is_checked_too(file: Path) -> None:
    narrow = SMALL.replace("[2h]}", '[2h], send_window: {from: "10:00", to: "11:00", days: [sun]}}')
    (said,) = problems(file, narrow)
    assert "processes.checkout.send_window can stay closed for 7d" in said
