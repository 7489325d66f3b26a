"""Users and times in every spelling, as Avro and as JSON, together and singly: each is what a plain reading says."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from consumer.clock import Millis
from consumer.config.sections.source import SourceSettings

from .writing import NOON, at_noon, framed, own_events, process, reasons, record, users

PROCESSES = {"checkout": process(active_on=("viewed",))}
ZONE = "America/St_Johns"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOCAL = {"type": "long", "logicalType": "local-timestamp-micros"}
WRITER = record(
    {
        "who": [
            "null",
            "string",
            "long",
            "double",
            "boolean",
            {"type": "fixed", "name": "Number", "size": 5, "logicalType": "decimal", "precision": 11},
        ],
        "many": {"type": "array", "items": "int"},
        "at": ["null", "string", LOCAL, "double", "boolean"],
        "name": "string",
    }
)


class Value(NamedTuple):
    """A value as Avro and as JSON have it, and what it means: its text or milliseconds, or None where it is refused."""

    avro: Any
    json: Any
    meaning: Any


def a_user(draw: st.DrawFn) -> Value:
    kind = draw(st.sampled_from(["text", "number", "double", "decimal", "boolean"]))
    if kind == "text":
        text = draw(st.text("aé7.-", min_size=1, max_size=5))
        return Value(text, text, text)
    if kind == "boolean":
        return Value(True, True, None)
    number = draw(st.integers(-(2**39), 2**39 - 1))
    if kind == "double":
        double = draw(st.sampled_from([float(number), number + 0.5]))
        return Value(double, double, str(number) if double == number else None)
    in_bytes = number.to_bytes(5, "big", signed=True)
    return Value(in_bytes if kind == "decimal" else number, number, str(number))


def a_time(draw: st.DrawFn) -> Value:
    moment = NOON - draw(st.integers(0, 10**11))
    kind = draw(
        st.sampled_from(["extended", "basic", "offset", "bracket", "local", "digits", "double", "date", "boolean"])
    )
    utc = EPOCH + timedelta(milliseconds=moment)
    shown = utc.astimezone(ZoneInfo(ZONE))
    late = later_reading(shown)
    if kind == "local":
        naive = shown.strftime("%Y%m%d%H%M%S") + f"{shown.microsecond // 1000:03}"
        return Value((LOCAL, shown.replace(tzinfo=UTC)), naive, late)
    if kind == "boolean":
        return Value(False, False, None)
    if kind == "double":
        return Value(moment / 1000, moment / 1000, moment)
    texts = {
        "extended": utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "basic": utc.strftime("%Y%m%dT%H%M%S,%f+00"),
        "offset": shown.isoformat(timespec="milliseconds"),
        "bracket": f"{shown.replace(tzinfo=None).isoformat(timespec='microseconds')}[{ZONE}]",
        "digits": str(moment),
        "date": utc.strftime("%Y-%m-%d"),
    }
    meaning = {"date": None, "bracket": late}.get(kind, moment)
    return Value(texts[kind], texts[kind], meaning)


def later_reading(shown: datetime) -> Millis:
    """The later moment at which the zone's clock shows this time."""
    return (shown.replace(fold=1) - EPOCH) // timedelta(milliseconds=1)


@st.composite
def events(draw: st.DrawFn) -> tuple[Value, Value, int]:
    return a_user(draw), a_time(draw), draw(st.sampled_from([0, 0, 0, 70]))


@pytest.mark.slow
@given(st.lists(events(), min_size=1, max_size=10))
@settings(max_examples=150, deadline=None)
def test_users_and_times_are_what_a_plain_reading_says(data: list[tuple[Value, Value, int]]) -> None:
    source = {"user": "who", "time": "at", "event": "name", "timezone": ZONE}
    avro = own_events(SourceSettings.model_validate(source), PROCESSES, [WRITER])
    plain = own_events(SourceSettings.model_validate({**source, "format": "json"}), PROCESSES)
    as_avro = [
        framed(WRITER, {"who": user.avro, "at": micros(time.avro), "many": [0] * many, "name": "viewed"})
        for user, time, many in data
    ]
    as_json = [json.dumps({"who": user.json, "at": time.json, "name": "viewed"}).encode() for user, time, _ in data]
    good = [n for n, (user, time, _) in enumerate(data) if user.meaning is not None and time.meaning is not None]
    for decoded in (at_noon(avro, as_avro), at_noon(plain, as_json)):
        assert decoded.frame["index"].to_list() == good
        assert users(decoded) == [data[n][0].meaning for n in good]
        assert decoded.frame["occurred_at"].to_list() == [min(data[n][1].meaning, NOON) for n in good]
        assert list(reasons(decoded)) == [n for n in range(len(data)) if n not in good]


def micros(time: Any) -> Any:
    """A local time as Avro's number."""
    return (time[1] - EPOCH) // timedelta(microseconds=1) if isinstance(time, tuple) else time
