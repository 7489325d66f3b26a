"""Moments in every spelling, many at once and each by itself."""

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from consumer.activity import timestamps
from consumer.activity.iso8601 import NO_TIME
from consumer.clock import Millis

from .writing import NOON

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = ["seconds", "millis", "micros", "nanos"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-09-21T14:13:20Z", NOON),
        ("2026-09-21T14:13:20.5Z", NOON + 500),
        ("2026-09-21T14:13:20.123Z", NOON + 123),
        ("2026-09-21T14:13:20.123456789Z", NOON + 123),
        ("2026-09-21T14:13:20.999999Z", NOON + 999),
        ("2026-09-21T16:13:20+02:00", NOON),
        ("2026-09-21T14:13:20", NOON),
        ("2026-09-21 14:13:20.25", NOON + 250),
        ("20260921T141320Z", NOON),
        ("2026-09-21", NOON - (14 * 3600 + 13 * 60 + 20) * 1000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000),
        ("2000-01-01T00:00:00Z", 946_684_800_000),
        ("2026-02-29T00:00:00Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-00-01T00:00:00Z", None),
        ("2026-09-00T00:00:00Z", None),
        ("2026-09-21T24:00:01Z", None),
        ("2026-09-21T14:60:00Z", None),
        ("2026-09-21T14:13:2xZ", None),
        ("2026-09-21T14:13:20.12éZ", None),
        ("yesterday", None),
        ("1790000000000", None),
        ("", None),
    ],
)
def test_a_text_is_iso_8601(text: str, moment: Millis | None) -> None:
    assert timestamps.from_one(text, None) == moment
    among = ["2026-09-21T14:13:20Z", text, None, "2026-09-21T14:13:20.000Z"]
    assert timestamps.from_texts(among).tolist() == [NOON, NO_TIME if moment is None else moment, NO_TIME, NOON]


moments = st.timedeltas(timedelta(days=-700_000), timedelta(days=2_900_000)).map(EPOCH.__add__)


@given(st.lists(st.tuples(moments, st.sampled_from(["seconds", "milliseconds", "microseconds"]), st.booleans())))
@settings(deadline=None)
def test_texts_are_read_together_as_each_by_itself(given: list[tuple[datetime, str, bool]]) -> None:
    texts = []
    for moment, spec, zulu in given:
        written = moment.isoformat(timespec=spec)
        texts.append(written.replace("+00:00", "Z") if zulu else written)
    expected = [(datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1) for text in texts]
    assert timestamps.from_texts(texts).tolist() == expected
    assert [timestamps.from_one(text, "nanos") for text in texts] == expected


@pytest.mark.slow
@given(st.lists(st.text("0123456789-:TZ. +x", max_size=32)))
@settings(deadline=None)
def test_no_text_breaks_its_neighbours(texts: list[str]) -> None:
    found = timestamps.from_texts([*texts, "2026-09-21T14:13:20Z"])
    assert found[-1] == NOON
    assert [timestamps.from_one(text, None) for text in texts] == [
        None if m == NO_TIME else m for m in found[:-1].tolist()
    ]


@pytest.mark.parametrize("year", [2000, 2026, 2100, 5000])
def test_the_size_of_a_number_tells_its_unit_from_2000_to_5138(year: int) -> None:
    moment = (datetime(year, 1, 1, 12, 30, 15, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
    numbers = [moment // 1000, moment, moment * 1000, moment * 10**6]
    whole = [number for number in numbers if number < 2**63]
    assert timestamps.from_longs(np.array(whole), None).tolist() == [moment] * len(whole)
    assert timestamps.from_doubles(np.array(numbers, np.float64), None).tolist() == [moment] * 4


numbers = st.none() | st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from(["2026-09-21T14:13:20Z", "?"])


@given(st.lists(numbers), st.sampled_from([None, *UNITS]))
@settings(deadline=None)
def test_numbers_are_read_together_as_each_by_itself(values: list[float | str | None], unit: str | None) -> None:
    alone = [None if value is None else timestamps.from_one(value, unit) for value in values]
    assert timestamps.from_any(values, unit).tolist() == [NO_TIME if moment is None else moment for moment in alone]


@given(st.integers(0, 10**13), st.sampled_from(UNITS))
def test_a_number_in_a_unit_that_is_told(moment: Millis, unit: str) -> None:
    per_milli = {"millis": 1, "micros": 1000, "nanos": 10**6}
    number = moment // 1000 if unit == "seconds" else moment * per_milli[unit]
    expected = moment // 1000 * 1000 if unit == "seconds" else moment
    if number < 2**63:
        assert timestamps.from_one(number, unit) == expected
