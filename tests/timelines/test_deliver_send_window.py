"""The send window: by the recipient's own clock, on the days it is for, and never too late to matter."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumer.clock import HOUR, MINUTE
from consumer.send_window import Window

from .deliver_diary import PLANS, Diary
from .detect_diary import moment

WORKDAYS = frozenset(range(5))
OFFICE = Window(9 * HOUR, 20 * HOUR, WORKDAYS)
Begin = Callable[..., Diary]


@pytest.fixture
def begin(ledger_url: str, tmp_path: Path) -> Iterator[Begin]:
    """A replica whose processes are sent in this window, and that thinks of nobody in particular in Madrid."""
    begun: list[Diary] = []

    def with_window(window: Window, **more: Any) -> Diary:
        plans = {name: replace(plan, window=window) for name, plan in PLANS.items()}
        diary = Diary(tmp_path, url=ledger_url, **{"plans": plans, "default_zone": "Europe/Madrid", **more})
        begun.append(diary)
        return diary

    yield with_window
    for diary in begun:
        diary.close()


def until(diary: Diary) -> int | None:
    return diary.topic[-1].until


def test_a_lapse_in_the_evening_waits_for_the_morning_and_not_a_second_longer(begin: Begin) -> None:
    diary = begin(OFFICE).knows("maria", phone="+34 912 345 678", timezone="Europe/Madrid")
    diary.at("Mon 19:30").due("maria").works().says("maria deferred quiet_hours")  # 20:30 in Madrid
    assert until(diary) == moment("Tue 08:00")
    diary.at("Tue 07:59:59.999").detect_is_at().works().says_nothing()
    diary.at("Tue 08:00").works().says("maria accepted").went_out("Maria")


def test_the_last_second_of_the_day_is_still_in_time(begin: Begin) -> None:
    diary = begin(OFFICE).knows("maria", timezone="Europe/Madrid").knows("paul", name="Paul", timezone="Europe/Madrid")
    diary.at("Mon 18:59:59.999").due("maria").works().says("maria accepted")
    diary.at("Mon 19:00").due("paul").works().says("paul deferred quiet_hours")


def test_everybody_is_written_to_by_the_clock_on_their_own_wall(begin: Begin) -> None:
    diary = begin(OFFICE).at("Mon 09:00").knows("maria", timezone="Europe/Madrid")
    diary.knows("yuki", name="Yuki", phone="+81 90 1234 5678").knows("joe", name="Joe", phone="+1 212 555 2368")
    diary.due("maria").due("yuki").due("joe").works()
    diary.says("joe deferred quiet_hours", "maria accepted", "yuki accepted")
    assert diary.topic[0].until == moment("Mon 14:00")
    diary.at("Mon 14:00").detect_is_at().works().says("joe accepted")


def test_a_zone_that_the_contact_names_goes_before_the_one_of_their_phone(begin: Begin) -> None:
    diary = begin(OFFICE).knows("maria", phone="+34 612 345 678", timezone="America/New_York")
    diary.due("maria").works().says("maria deferred quiet_hours")
    assert until(diary) == moment("Mon 14:00")


def test_friday_evening_waits_for_monday(begin: Begin) -> None:
    diary = begin(OFFICE).knows("maria", timezone="Europe/Madrid")
    diary.at("Fri 19:00").due("maria").works().says("maria deferred quiet_hours")
    assert until(diary) == moment("Mon+1w 08:00")
    diary.at("Mon+1w 08:00").detect_is_at().works().says("maria accepted")


def test_the_weekday_is_the_one_where_they_are(begin: Begin) -> None:
    """Friday afternoon in UTC is Saturday in Tokyo, and Sunday evening is Monday morning."""
    diary = begin(OFFICE).knows("ken", name="Ken", phone="+81 90 8765 4321").knows("yuki", phone="+81 90 1234 5678")
    diary.at("Fri 15:00").due("ken").works().says("ken deferred quiet_hours")
    assert until(diary) == moment("Mon+1w 00:00")  # 09:00 there
    diary.at("Sun 23:59:59.999").due("yuki").works().says("yuki deferred quiet_hours")
    assert until(diary) == moment("Mon+1w 00:00")
    diary.at("Mon+1w 00:00").works().says("ken accepted", "yuki accepted")


def test_a_night_window_is_open_on_both_sides_of_midnight_and_belongs_to_the_day_it_began_on(begin: Begin) -> None:
    night = Window(22 * HOUR, 2 * HOUR, WORKDAYS)
    diary = begin(night, default_zone="UTC")
    for n, name in enumerate(("ana", "ben", "cleo", "dan"), start=1):
        diary.knows(name, name=name, phone=f"+34 612 345 67{n}", timezone="UTC")
    diary.at("Fri 21:59:59.999").due("ana").works().says("ana deferred quiet_hours")
    diary.at("Fri 22:00").works().says("ana accepted")
    diary.at("Sat 01:59:59.999").due("ben").works().says("ben accepted")
    diary.at("Sat 02:00").due("cleo").works().says("cleo deferred quiet_hours")
    assert until(diary) == moment("Mon+1w 22:00")
    diary.at("Sat 22:00").due("dan").works().says("dan deferred quiet_hours", "ana accepted no_report")


def test_when_the_clocks_go_forward_the_morning_comes_an_hour_earlier(begin: Begin) -> None:
    """29 March 2026 in Madrid: 02:00 becomes 03:00. The diary's first Monday is 5 January, that Sunday 83 days on."""
    diary = begin(Window(9 * HOUR, 20 * HOUR)).knows("maria", timezone="Europe/Madrid")
    saturday_evening = moment("Mon 20:00") + 82 * 24 * HOUR
    diary.after(saturday_evening - diary.clock.now()).due("maria").works().says("maria deferred quiet_hours")
    assert until(diary) == saturday_evening + 11 * HOUR  # 09:00 in Madrid is 07:00 now
    diary.after(11 * HOUR - 1).detect_is_at().works().says_nothing()
    diary.after(1).works().says("maria accepted")


def test_when_the_clocks_go_back_the_night_is_an_hour_longer(begin: Begin) -> None:
    """25 October 2026 in Madrid: 03:00 becomes 02:00."""
    diary = begin(Window(9 * HOUR, 20 * HOUR)).knows("maria", timezone="Europe/Madrid")
    saturday_evening = moment("Mon 19:00") + 292 * 24 * HOUR
    diary.after(saturday_evening - diary.clock.now()).due("maria").works().says("maria deferred quiet_hours")
    assert until(diary) == saturday_evening + 13 * HOUR
    diary.after(13 * HOUR).detect_is_at().works().says("maria accepted")


def test_a_window_that_the_change_of_the_clocks_swallows_opens_the_day_after(begin: Begin) -> None:
    diary = begin(Window(130 * MINUTE, 140 * MINUTE)).knows("maria", timezone="Europe/Madrid")
    saturday_evening = moment("Mon 20:00") + 82 * 24 * HOUR
    diary.after(saturday_evening - diary.clock.now()).due("maria").works().says("maria deferred quiet_hours")
    assert until(diary) == saturday_evening + 28 * HOUR + 10 * MINUTE  # Monday 02:10, summer time


@pytest.mark.parametrize("ending", ["returned", "completed"])
def test_whoever_comes_back_in_the_night_is_not_written_to_in_the_morning(begin: Begin, ending: str) -> None:
    diary = begin(OFFICE).knows("maria", timezone="Europe/Madrid")
    diary.at("Mon 21:00").due("maria").works().says("maria deferred quiet_hours")
    getattr(diary.at("Tue 03:00"), ending)("maria", lapsed="Mon 21:00").works().says(f"maria cancelled {ending}")
    diary.at("Tue 08:00").detect_is_at().works().says_nothing().went_out()


def test_what_has_grown_too_old_by_the_opening_expires(begin: Begin) -> None:
    sundays = Window(9 * HOUR, 20 * HOUR, frozenset({6}))
    diary = begin(sundays).knows("maria", timezone="UTC")
    diary.at("Mon 09:00").due("maria").works().says("maria deferred quiet_hours")
    assert until(diary) == moment("Thu 09:00:00.001")
    diary.at("Thu 09:00").detect_is_at().works().says_nothing()
    diary.at("Thu 09:00:00.001").works().says("maria suppressed expired").went_out()


def test_each_process_may_have_a_window_of_its_own(begin: Begin) -> None:
    plans = {**PLANS, "account-setup": replace(PLANS["account-setup"], window=OFFICE)}
    diary = begin(OFFICE, plans=plans).knows("maria", timezone="Europe/Madrid")
    diary.at("Mon 22:00").due("maria").due("maria", "checkout").works()
    diary.says("maria deferred quiet_hours", "maria accepted").went_out("Maria")
