"""Activities as JSON."""

import json
from typing import Any

import numpy as np
import pytest

from consumer.activity.decoder import ActivityDecoder, Decoded
from consumer.activity.json_reader import JsonReader
from consumer.records import Ending

from .writing import NOON, event, reasons, users


def decode(*values: bytes | None) -> Decoded:
    return ActivityDecoder(JsonReader()).decode(values, np.full(len(values), NOON), NOON)


def said(**changes: Any) -> bytes:
    return json.dumps(event(**changes)).encode()


def test_an_object_is_read_with_its_time_as_milliseconds_or_iso_8601() -> None:
    times = [NOON, "2026-09-21T14:13:20Z", "2026-09-21T16:13:20.000+02:00", "2026-09-21T14:13:20"]
    decoded = decode(*(said(occurred_at=time, action="zählen", kind="completed") for time in times))
    assert decoded.frame.drop("index", "written_at").unique().rows() == [
        ("ann", "checkout", Ending.COMPLETED, "zählen", NOON)
    ]


def test_what_is_optional_may_be_missing() -> None:
    decoded = decode(b'{"user_id": "ann", "process": "p", "kind": "NEW", "occurred_at": 1790000000000}')
    assert decoded.frame.drop("written_at").rows() == [(0, "ann", "p", Ending.NONE, None, NOON)]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", "unreadable"),
        (b"[]", "unreadable"),
        (b"\xff\xfe", "unreadable"),
        (b"[" * 100_000, "unreadable"),
        (said(user_id=7.5), "unreadable"),
        (said(user_id=True), "unreadable"),
        (said(user_id="\ud800"), "unreadable"),
        (said(action=["pay"]), "unreadable"),
        (said(occurred_at=True), "unreadable"),
        (said(occurred_at=1.5), "time_before_2000"),
        (said(occurred_at=2**63), "unreadable"),
        (said(occurred_at=-(2**63)), "unreadable"),
        (said(occurred_at=float("inf")), "unreadable"),
        (said(occurred_at=float("nan")), "unreadable"),
        (said(occurred_at="yesterday"), "unreadable"),
        (said(occurred_at="0001-01-01T00:00:00+14:00"), "time_before_2000"),
        (said(occurred_at=None), "missing_field"),
        (said(kind=None), "missing_field"),
        (b'{"user_id": "ann", "process": "p"}', "missing_field"),
        (said(process=""), "empty_process"),
    ],
)
def test_what_cannot_be_read_is_named_and_its_neighbours_are_read(value: bytes | None, reason: str) -> None:
    decoded = decode(said(), value, said(user_id="bob"))
    assert reasons(decoded) == {1: reason}
    assert users(decoded) == ["ann", "bob"]


def test_many_values_are_read_as_each_is_by_itself_wherever_the_odd_ones_are() -> None:
    """They are read a few thousand at a time."""
    odd: dict[int, bytes | None] = {0: None, 1_999: b"{", 2_000: said(occurred_at="yesterday"), 4_999: said(process="")}
    values = [odd.get(place, said(user_id=f"user-{place}")) for place in range(5_000)]
    decoded = decode(*values)
    assert (list(reasons(decoded)), decoded.blank) == ([1_999, 2_000, 4_999], 1)
    good = [place for place in range(5_000) if place not in odd]
    assert decoded.frame["index"].to_list() == good
    assert users(decoded) == [f"user-{place}" for place in good]


@pytest.mark.parametrize("value", [None, b"", b"{}", said(user_id=""), said(user_id=None), said(user_id="", kind=None)])
def test_nulls_and_events_of_nobody_are_read_and_are_nothing(value: bytes | None) -> None:
    decoded = decode(said(), value, said(user_id="bob"))
    assert decoded.frame["user_id"].to_list() == ["ann", "bob"]
    assert (decoded.blank, decoded.ignored, decoded.bad) == (1, 0, [])
