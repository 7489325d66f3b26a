"""The send window: by the recipient's clock, on its days, and with expiry."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consumer.clock import HOUR, MINUTE
from consumer.deliver.policy.main_zones import MAIN_ZONES
from consumer.send_window import Window, zone_of

from .deliver_diary import PLANS, Diary
from .detect_diary import moment

WORKDAYS = frozenset(range(5))
OFFICE = Window(9 * HOUR, 20 * HOUR, WORKDAYS)
Begin = Callable[..., Diary]


@pytest.fixture
def within(begin: Begin) -> Begin:
    """Open replicas whose processes have this window, with Madrid as the default zone."""

    def with_window(window: Window, **more: Any) -> Diary:
        plans = {name: replace(plan, window=window) for name, plan in PLANS.items()}
        return begin(**{"plans": plans, "default_zone": "Europe/Madrid", **more})

    return with_window


def until(diary: Diary) -> int | None:
    return diary.topic[-1].until


def test_evening_lapse_waits_until_the_window_opens(within: Begin) -> None:
    diary = within(OFFICE).knows("maria", phone="+34 912 345 678", timezone="Europe/Madrid")
    diary.at("Mon 19:30").due("maria").works().says("maria deferred quiet_hours")  # 20:30 in Madrid
    assert until(diary) == moment("Tue 08:00")
    diary.at("Tue 07:59:59.999").detect_is_at().works().says_nothing()
    diary.at("Tue 08:00").works().says("maria accepted").went_out("Maria")


def test_last_millisecond_of_the_window(within: Begin) -> None:
    diary = within(OFFICE).knows("maria", timezone="Europe/Madrid").knows("paul", name="Paul", timezone="Europe/Madrid")
    diary.at("Mon 18:59:59.999").due("maria").works().says("maria accepted")
    diary.at("Mon 19:00").due("paul").works().says("paul deferred quiet_hours")


def test_window_in_each_recipients_zone(within: Begin) -> None:
    diary = within(OFFICE).at("Mon 09:00").knows("maria", timezone="Europe/Madrid")
    diary.knows("yuki", name="Yuki", phone="+81 90 1234 5678").knows("joe", name="Joe", phone="+1 212 555 2368")
    diary.due("maria").due("yuki").due("joe").works()
    diary.says("joe deferred quiet_hours", "maria accepted", "yuki accepted")
    assert diary.topic[0].until == moment("Mon 14:00")
    diary.at("Mon 14:00").detect_is_at().works().says("joe accepted")


def test_zone_of_the_contact_before_zone_of_the_phone(within: Begin) -> None:
    diary = within(OFFICE).knows("maria", phone="+34 612 345 678", timezone="America/New_York")
    diary.due("maria").works().says("maria deferred quiet_hours")
    assert until(diary) == moment("Mon 14:00")


def test_friday_evening_waits_for_monday(within: Begin) -> None:
    diary = within(OFFICE).knows("maria", timezone="Europe/Madrid")
    diary.at("Fri 19:00").due("maria").works().says("maria deferred quiet_hours")
    assert until(diary) == moment("Mon+1w 08:00")
    diary.at("Mon+1w 08:00").detect_is_at().works().says("maria accepted")


def test_weekday_in_the_recipients_zone(within: Begin) -> None:
    """Friday afternoon in UTC is Saturday in Tokyo, and Sunday evening is Monday morning."""
    diary = within(OFFICE).knows("ken", name="Ken", phone="+81 90 8765 4321").knows("yuki", phone="+81 90 1234 5678")
    diary.at("Fri 15:00").due("ken").works().says("ken deferred quiet_hours")
    assert until(diary) == moment("Mon+1w 00:00")  # 09:00 there
    diary.at("Sun 23:59:59.999").due("yuki").works().says("yuki deferred quiet_hours")
    assert until(diary) == moment("Mon+1w 00:00")
    diary.at("Mon+1w 00:00").works().says("ken accepted", "yuki accepted")


def test_window_across_midnight(within: Begin) -> None:
    night = Window(22 * HOUR, 2 * HOUR, WORKDAYS)
    diary = within(night, default_zone="UTC")
    for n, name in enumerate(("ana", "ben", "cleo", "dan"), start=1):
        diary.knows(name, name=name, phone=f"+34 612 345 67{n}", timezone="UTC")
    diary.at("Fri 21:59:59.999").due("ana").works().says("ana deferred quiet_hours")
    diary.at("Fri 22:00").works().says("ana accepted")
    diary.at("Sat 01:59:59.999").due("ben").works().says("ben accepted")
    diary.at("Sat 02:00").due("cleo").works().says("cleo deferred quiet_hours")
    assert until(diary) == moment("Mon+1w 22:00")
    diary.at("Sat 22:00").due("dan").works().says("dan deferred quiet_hours", "ana accepted no_report")


def test_window_when_clocks_go_forward(within: Begin) -> None:
    """29 March 2026 in Madrid: 02:00 becomes 03:00. The diary's first Monday is 5 January, that Sunday 83 days on."""
    diary = within(Window(9 * HOUR, 20 * HOUR)).knows("maria", timezone="Europe/Madrid")
    saturday_evening = moment("Mon 20:00") + 82 * 24 * HOUR
    diary.after(saturday_evening - diary.clock.now()).due("maria").works().says("maria deferred quiet_hours")
    assert until(diary) == saturday_evening + 11 * HOUR  # 09:00 in Madrid is 07:00 now
    diary.after(11 * HOUR - 1).detect_is_at().works().says_nothing()
    diary.after(1).works().says("maria accepted")


def test_window_when_clocks_go_back(within: Begin) -> None:
    """25 October 2026 in Madrid: 03:00 becomes 02:00."""
    diary = within(Window(9 * HOUR, 20 * HOUR)).knows("maria", timezone="Europe/Madrid")
    saturday_evening = moment("Mon 19:00") + 292 * 24 * HOUR
    diary.after(saturday_evening - diary.clock.now()).due("maria").works().says("maria deferred quiet_hours")
    assert until(diary) == saturday_evening + 13 * HOUR
    diary.after(13 * HOUR).detect_is_at().works().says("maria accepted")


def test_window_skipped_by_the_clock_change(within: Begin) -> None:
    diary = within(Window(130 * MINUTE, 140 * MINUTE)).knows("maria", timezone="Europe/Madrid")
    saturday_evening = moment("Mon 20:00") + 82 * 24 * HOUR
    diary.after(saturday_evening - diary.clock.now()).due("maria").works().says("maria deferred quiet_hours")
    assert until(diary) == saturday_evening + 28 * HOUR + 10 * MINUTE  # Monday 02:10, summer time


@pytest.mark.parametrize("ending", ["returned", "completed"])
def test_ending_while_the_window_is_closed_cancels(within: Begin, ending: str) -> None:
    diary = within(OFFICE).knows("maria", timezone="Europe/Madrid")
    diary.at("Mon 21:00").due("maria").works().says("maria deferred quiet_hours")
    getattr(diary.at("Tue 03:00"), ending)("maria", lapsed="Mon 21:00").works().says(f"maria cancelled {ending}")
    diary.at("Tue 08:00").detect_is_at().works().says_nothing().went_out()


def test_reminder_expires_before_the_window_opens(within: Begin) -> None:
    sundays = Window(9 * HOUR, 20 * HOUR, frozenset({6}))
    diary = within(sundays).knows("maria", timezone="UTC")
    diary.at("Mon 09:00").due("maria").works().says("maria deferred quiet_hours")
    assert until(diary) == moment("Thu 09:00:00.001")
    diary.at("Thu 09:00").detect_is_at().works().says_nothing()
    diary.at("Thu 09:00:00.001").works().says("maria suppressed expired").went_out()


def test_window_per_process(within: Begin) -> None:
    plans = {**PLANS, "account-setup": replace(PLANS["account-setup"], window=OFFICE)}
    diary = within(OFFICE, plans=plans).knows("maria", timezone="Europe/Madrid")
    diary.at("Mon 22:00").due("maria").due("maria", "checkout").works()
    diary.says("maria deferred quiet_hours", "maria accepted").went_out("Maria")


@pytest.mark.parametrize(
    ("phone", "opens"),
    [
        pytest.param("+7 916 123 45 67", "Tue 06:00", id="a Russian mobile: Moscow"),
        pytest.param("+7 701 123 45 67", "Tue 04:00", id="a Kazakh mobile: Almaty"),
        pytest.param("+1 876 210 1234", "Tue 14:00", id="a Jamaican mobile: Jamaica"),
        pytest.param("+1 800 555 0199", "Tue 14:00", id="a toll-free number of North America: New York"),
    ],
)
def test_country_without_a_common_hour_counts_as_where_most_people_live(within: Begin, phone: str, opens: str) -> None:
    """In no hour it is day from Kaliningrad to Kamchatka; the company's own zone says nothing about these people."""
    diary = within(Window(9 * HOUR, 18 * HOUR, WORKDAYS), default_zone="Asia/Kamchatka").at("Tue 00:00").detect_is_at()
    diary.knows("maria", phone=phone).due("maria").works().says("maria deferred quiet_hours")
    assert until(diary) == moment(opens)


def test_main_zones_exist() -> None:
    assert [zone for zone in MAIN_ZONES.values() if zone_of(zone) is None] == []
