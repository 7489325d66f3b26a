"""Moments in every spelling, many at once and each by itself."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from consumer.activity.times import timestamps
from consumer.activity.times.iso8601 import NO_TIME
from consumer.activity.times.local_time import to_utc
from consumer.activity.times.timestamps import TimeForm
from consumer.clock import HOUR, MINUTE, Millis
from consumer.config.sections.source import SourceSettings

from .writing import NOON, at_noon, framed, own_events, process, reasons, record

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = ["seconds", "millis", "micros", "nanos"]
PLAIN = TimeForm()
PARIS = TimeForm(zone="Europe/Paris")


def check_alone_and_among_others(text: str, moment: Millis | None, form: TimeForm = PLAIN) -> None:
    assert timestamps.from_one(text, form) == moment
    among = ["2026-09-21T14:13:20Z", text, None, "2026-09-21T14:13:20.000Z"]
    found = timestamps.from_texts(among, form).tolist()
    assert found == [NOON, NO_TIME if moment is None else moment, NO_TIME, NOON]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-09-21T14:13:20Z", NOON),
        ("2026-09-21T14:13:20.5Z", NOON + 500),
        ("2026-09-21T14:13:20.123Z", NOON + 123),
        ("2026-09-21T14:13:20,123Z", NOON + 123),
        ("2026-09-21T14:13:20.123456789Z", NOON + 123),
        ("2026-09-21T14:13:20.999999Z", NOON + 999),
        ("2026-09-21T14:13:20.9999999999999Z", NOON + 999),
        ("2026-09-21t14:13:20z", NOON),
        ("2026-09-21 14:13:20 UTC", NOON),
        ("2026-09-21T16:13:20+02:00", NOON),
        ("2026-09-21T16:13:20+0200", NOON),
        ("2026-09-21T16:13:20+02", NOON),
        ("2026-09-21 16:13:20 +0200", NOON),
        ("2026-09-21T09:13:20.25-0500", NOON + 250),
        ("2026-09-22T04:13:20+14:00", NOON),
        ("2026-09-21T14:13:20-00:00", NOON),
        ("2026-09-21T16:13:20+02:00[Europe/Paris]", NOON),
        ("2026-09-21T16:13:20[Europe/Paris]", NOON),
        ("2026-09-21T14:13:20Z[Europe/Paris]", NOON),
        ("2026-09-21T14:13:20Z[UTC]", NOON),
        ("2026-09-21T14:13:20", NOON),
        ("2026-09-21 14:13:20.25", NOON + 250),
        ("2026-09-21T14:13Z", NOON - 20_000),
        ("20260921T141320Z", NOON),
        ("20260921T1413Z", NOON - 20_000),
        ("20260921T141320.5+0000", NOON + 500),
        ("20260921T14:13:20Z", NOON),
        ("20260921141320Z", NOON),
        ("20260921141320", NOON),
        ("20260921141320123", NOON + 123),
        ("20260921141320.123Z", NOON + 123),
        ("20260921161320123+0200", NOON + 123),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2000-01-01T00:00:00Z", 946_684_800_000),
        ("1790000000", NOON),
        ("1790000000.125", NOON + 125),
        ("1790000000123", NOON + 123),
        ("1790000000123456", NOON + 123),
        ("1790000000123456789", NOON + 123),
    ],
)
def test_a_text_that_says_a_certain_moment(text: str, moment: Millis) -> None:
    check_alone_and_among_others(text, moment)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-09-00T00:00:00Z",
        "0000-09-01T00:00:00Z",
        "2026-09-21T24:00:00Z",
        "2026-09-21T24:00:01Z",
        "2026-09-21T14:60:00Z",
        "2026-09-21T14:13:60Z",
        "2026-09-21T14:13:2xZ",
        "2026-09-21T14:13:20.12éZ",
        "2026-09-21T14:13:20.Z",
        "2026-09-21T14:13:20+15:00",
        "2026-09-21T14:13:20+02:75",
        "2026-09-21T14:13:20+2",
        "2026-09-21T14:13:20+01:00[Europe/Paris]",  # it is summer
        "2026-09-21T14:13:20Z[Europe/Atlantis]",
        "2026-09-21T14:13:20[u-ca=gregory]",
        "2026-09-21T14Z",
        "2026-09-21",
        "20260921",
        "2026-W39-1T14:13:20Z",
        "2026-264T14:13:20Z",
        "2026-9-21T14:13:20Z",
        "2026-0921T14:13:20Z",
        " 2026-09-21T14:13:20Z",
        "2026-09-21T14:13:20Z\n",
        "２０２６-09-21T14:13:20Z",
        "21/09/2026 14:13:20",
        "202609211413",
        "17900000001",
        "-1790000000",
        "1.79e12",
        "yesterday",
        "",
    ],
)
def test_a_text_that_says_no_certain_moment(text: str) -> None:
    check_alone_and_among_others(text, None)


def test_digits_are_a_number_where_the_unit_is_told() -> None:
    for text, unit in (("20260921141320", "micros"), ("1790000000", "seconds"), ("42", "nanos")):
        form = TimeForm(unit=unit)
        assert timestamps.from_one(text, form) == timestamps.from_one(int(text), form)
    check_alone_and_among_others("9223372036854775808", None, TimeForm(unit="nanos"))


@pytest.mark.parametrize("text", ["2026-09-21T16:13:20", "2026-09-21 16:13:20", "20260921161320", "20260921T161320"])
def test_a_text_without_an_offset_is_in_the_configured_zone(text: str) -> None:
    check_alone_and_among_others(text, NOON, PARIS)
    check_alone_and_among_others("2026-09-21T14:13:20Z", NOON, PARIS)


@pytest.mark.parametrize(
    ("shown", "moment"),
    [
        ("2026-10-25T01:59:59", "2026-10-24T23:59:59Z"),
        ("2026-10-25T02:00:00", "2026-10-25T01:00:00Z"),  # shown at 0:00Z and at 1:00Z
        ("2026-10-25T02:59:59", "2026-10-25T01:59:59Z"),
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59Z"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),  # never shown: 1:30Z by a clock that was not put forward
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00Z"),
    ],
)
def test_an_hour_that_is_shown_twice_or_never_is_the_later_one_that_may_be_meant(shown: str, moment: str) -> None:
    expected = timestamps.from_one(moment, PLAIN)
    check_alone_and_among_others(shown, expected, PARIS)
    check_alone_and_among_others(f"{shown}[Europe/Paris]", expected)


ZONES = [
    "Europe/Paris",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Asia/Tehran",
]


@given(st.lists(st.integers(946_684_800_000, 4_000_000_000_000), min_size=1), st.sampled_from(ZONES))
@settings(deadline=None)
def test_local_times_lead_back_to_their_moment_or_to_a_later_one(moments: list[Millis], zone: str) -> None:
    offsets = [
        (datetime.fromtimestamp(m / 1000, ZoneInfo(zone)).utcoffset() or timedelta()) // timedelta(milliseconds=1)
        for m in moments
    ]
    local = np.array(moments, np.int64) + np.array(offsets, np.int64)
    late = to_utc(local, zone) - np.array(moments)
    assert set(late.tolist()) <= {0, HOUR, 30 * MINUTE}
    assert to_utc(local, zone).tolist() == [int(to_utc(local[n : n + 1], zone)[0]) for n in range(local.size)]


def test_times_far_from_any_calendar_are_left_as_they_are() -> None:
    far = np.array([-(2**62), 2**62, NO_TIME + 1])
    assert to_utc(far, "Europe/Paris").tolist() == far.tolist()


moments = st.timedeltas(timedelta(days=-700_000), timedelta(days=2_900_000)).map(EPOCH.__add__)
ENDINGS = ["+00:00", "Z", "+0000", "+00", " UTC", "-00:00", "", "z"]
FORMS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y%m%dT%H%M%S", "%Y%m%d%H%M%S"]


@pytest.mark.slow
@given(st.lists(st.tuples(moments, st.sampled_from(FORMS), st.integers(0, 9), st.sampled_from(ENDINGS))))
@settings(deadline=None)
def test_texts_are_read_together_as_each_by_itself(given: list[tuple[datetime, str, int, str]]) -> None:
    texts, expected = [], []
    for moment, form, digits, ending in given:
        fraction = f"{moment.microsecond:06}000"[:digits]
        written = moment.strftime(form.replace("%Y", f"{moment.year:04}"))
        texts.append(written + ("." + fraction if fraction else "") + ending)
        whole = moment.replace(microsecond=0)
        expected.append((whole - EPOCH) // timedelta(milliseconds=1) + int(f"{fraction:0<3}"[:3]))
    assert timestamps.from_texts(texts, PLAIN).tolist() == expected
    assert [timestamps.from_one(text, PLAIN) for text in texts] == expected


@pytest.mark.slow
@given(st.lists(st.text("0123456789-:TZ. +x[]", max_size=32)), st.sampled_from([PLAIN, PARIS, TimeForm("millis")]))
@settings(deadline=None)
def test_no_text_breaks_its_neighbours(texts: list[str], form: TimeForm) -> None:
    found = timestamps.from_texts([*texts, "2026-09-21T14:13:20Z"], form)
    assert found[-1] == NOON
    assert [timestamps.from_one(text, form) for text in texts] == [
        None if m == NO_TIME else m for m in found[:-1].tolist()
    ]


@pytest.mark.parametrize("year", [2000, 2026, 2100, 2286])
def test_the_size_of_a_number_tells_its_unit_from_2000_to_2286(year: int) -> None:
    moment = (datetime(year, 1, 1, 12, 30, 15, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
    numbers = [moment // 1000, moment, moment * 1000, moment * 10**6]
    whole = [number for number in numbers if number < 2**63]
    assert timestamps.from_longs(np.array(whole), None).tolist() == [moment] * len(whole)
    assert timestamps.from_doubles(np.array(numbers, np.float64), None).tolist() == [moment] * 4


@pytest.mark.parametrize("number", [20260921101530, 20260921101530123, 17_900_000_000, 10**13, 2**55])
def test_a_number_whose_unit_cannot_be_guessed_is_refused(number: int) -> None:
    """20260921101530 is a date and a time of day, and not a moment of the year 2612."""
    own = {"user": "string", "at": "long", "name": "string"}
    processes = {"checkout": process(active_on=["viewed"])}
    for kind in ("long", "double"):
        writer = record({**own, "at": kind})
        value = framed(writer, {"user": "ann", "at": number, "name": "viewed"})
        source = SourceSettings(user="user", time="at", event="name")
        decoder = own_events(source, processes, [writer])
        assert reasons(at_noon(decoder, [value])) == {0: "unreadable"}
    source = SourceSettings(format="json", user="user", time="at", event="name")
    decoder = own_events(source, processes)
    for at in (number, float(number)):
        value = json.dumps({"user": "ann", "at": at, "name": "viewed"}).encode()
        found = at_noon(decoder, [value, value.replace(b"ann", b"bob")])
        assert [bad.error.split(":")[0] for bad in found.bad] == ["at (source.time) is no certain time"] * 2


numbers = st.none() | st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from(["2026-09-21T14:13:20Z", "?"])


@given(st.lists(numbers), st.sampled_from([None, *UNITS]))
@settings(deadline=None)
def test_numbers_are_read_together_as_each_by_itself(values: list[float | str | None], unit: str | None) -> None:
    form = TimeForm(unit)
    alone = [None if value is None else timestamps.from_one(value, form) for value in values]
    assert timestamps.from_any(values, form).tolist() == [NO_TIME if moment is None else moment for moment in alone]


@given(st.integers(0, 10**13), st.sampled_from(UNITS))
def test_a_number_in_a_unit_that_is_told(moment: Millis, unit: str) -> None:
    per_milli = {"millis": 1, "micros": 1000, "nanos": 10**6}
    number = moment // 1000 if unit == "seconds" else moment * per_milli[unit]
    expected = moment // 1000 * 1000 if unit == "seconds" else moment
    if number < 2**63:
        assert timestamps.from_one(number, TimeForm(unit)) == expected
