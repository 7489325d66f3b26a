"""The next opening of a window, against a model that looks at the recipient's clock minute by minute."""

from datetime import datetime
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from consumer.clock import DAY, HOUR, MINUTE, Millis
from consumer.deliver.recipients.person import Person, opens_at, read_people
from consumer.ledger.schema.rows import ContactRow
from consumer.send_window import Window, common_opening, next_opening, zone_of

YEAR_2026 = 1_767_225_600_000
ZONES = ["UTC", "Europe/Madrid", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo"]
WORKDAYS = frozenset(range(5))
OFFICE = Window(9 * HOUR, 20 * HOUR, WORKDAYS)


def utc(text: str) -> Millis:
    return round(datetime.fromisoformat(f"{text}+00:00").timestamp() * 1_000)


def is_open(at: Millis, zone: ZoneInfo, window: Window) -> bool:
    """Return whether the window is open by its definition: local time and weekday."""
    shown = datetime.fromtimestamp(at // 1_000, zone)
    time = (shown.hour * 60 + shown.minute) * MINUTE
    today, yesterday = shown.weekday() in window.days, (shown.weekday() - 1) % 7 in window.days
    if window.opens < window.closes:
        return today and window.opens <= time < window.closes
    return (today and time >= window.opens) or (yesterday and time < window.closes)


def first_open_minute(now: Millis, zone: ZoneInfo, window: Window) -> Millis:
    return next(at for at in range(now, now + 16 * DAY, MINUTE) if is_open(at, zone, window))


minutes = st.integers(0, 24 * 60 - 1).map(lambda minute: minute * MINUTE)
windows = st.builds(Window, minutes, minutes, st.frozensets(st.integers(0, 6), min_size=1)).filter(
    lambda window: window.opens != window.closes
)
# Near clock changes, and anywhere in the year.
changes = [utc(day) for day in ("2026-03-08", "2026-03-29", "2026-04-04", "2026-10-03", "2026-10-25", "2026-11-01")]
moments = st.one_of(
    st.integers(0, 365 * 24 * 60).map(lambda minute: YEAR_2026 + minute * MINUTE),
    st.builds(lambda change, minute: change + minute * MINUTE, st.sampled_from(changes), st.integers(-1440, 2880)),
)


@settings(max_examples=150, deadline=None)
@given(moments, st.sampled_from(ZONES), windows)
@example(utc("2026-03-28T23:00"), "Europe/Madrid", Window(150 * MINUTE, 9 * HOUR))
@example(utc("2026-03-29T00:50"), "Europe/Madrid", Window(130 * MINUTE, 140 * MINUTE))
@example(utc("2026-10-25T00:31"), "Europe/Madrid", Window(60 * MINUTE, 150 * MINUTE))
def test_next_opening_against_a_minute_by_minute_search(now: Millis, name: str, window: Window) -> None:
    zone = ZoneInfo(name)
    assert next_opening(now, zone, window) == first_open_minute(now, zone, window)


@settings(max_examples=100, deadline=None)
@given(moments, st.sampled_from(ZONES), st.builds(Window, minutes, minutes, st.just(WORKDAYS)))
def test_longest_closed_is_an_upper_bound(now: Millis, name: str, window: Window) -> None:
    # A window shorter than an hour may be skipped by a clock change.
    if window.length >= HOUR:
        assert next_opening(now, ZoneInfo(name), window) - now <= window.longest_closed


def test_longest_closed_of_office_hours() -> None:
    assert OFFICE.longest_closed == 61 * HOUR + HOUR
    assert Window(0, DAY).longest_closed == 0
    assert Window(18 * HOUR, 2 * HOUR).longest_closed == 16 * HOUR + HOUR


def zones(*names: str) -> list[ZoneInfo]:
    return [ZoneInfo(name) for name in names]


def test_zones_with_a_common_opening() -> None:
    both = zones("Atlantic/Canary", "Europe/Madrid")
    assert common_opening(utc("2026-01-05T08:00"), both, OFFICE) == utc("2026-01-05T09:00")
    assert common_opening(utc("2026-01-05T18:59:59"), both, OFFICE) == utc("2026-01-05T18:59:59")
    assert common_opening(utc("2026-01-05T19:00"), both, OFFICE) == utc("2026-01-06T09:00")


def test_zones_without_a_common_opening() -> None:
    assert common_opening(YEAR_2026, zones("Asia/Tokyo", "America/New_York"), Window(9 * HOUR, 12 * HOUR)) is None


@pytest.mark.parametrize("name", [None, "", "Mars/Olympus", "../etc/passwd", "Europe", "/", "a\0b", "x" * 300])
def test_invalid_zone_names(name: str | None) -> None:
    assert zone_of(name) is None


def person(phone: str | None, timezone: str | None = None) -> Person:
    contact = ContactRow("u", "Maria", phone, None, timezone, None, True, 0, False)
    return read_people({"u": contact}, None, with_zones=True)["u"]


def test_zone_of_contact_then_phone_then_default() -> None:
    night, madrid = utc("2026-01-05T03:00"), ZoneInfo("Europe/Madrid")
    spain, japan = "+34 612 345 678", "+81 90 1234 5678"
    assert opens_at(night, OFFICE, person(spain, "Asia/Tokyo"), madrid) == night
    assert opens_at(night, OFFICE, person(japan, "nonsense"), madrid) == night
    assert opens_at(night, OFFICE, person(spain), ZoneInfo("UTC")) == utc("2026-01-05T09:00")  # Las Palmas is in Spain
    assert opens_at(night, OFFICE, None, madrid) == utc("2026-01-05T08:00")
    assert opens_at(night, OFFICE, person(None), madrid) == utc("2026-01-05T08:00")


def test_country_without_a_common_opening_counts_as_its_main_zone() -> None:
    wide = person("+7 916 123-45-67")
    morning = Window(9 * HOUR, 12 * HOUR)
    assert opens_at(utc("2026-01-05T03:00"), morning, wide, ZoneInfo("UTC")) == utc("2026-01-05T06:00")  # Moscow
