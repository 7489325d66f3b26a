"""The same events as Avro and as JSON, in whatever batches: what is read is what a plain reading of each says."""

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.source import SourceSettings
from consumer.records import Ending

from .writing import MILLIS, NOON, at_noon, framed, own_events, process, reasons, record

NAMES = ["viewed", "paid", "left", "signed up", "ünknown"]
PROCESSES: dict[str, ProcessSettings] = {
    "checkout": process(active_on=("viewed",), complete_on=("paid",), cancel_on=("left",)),
    "first": process(active_on=("signed up", "viewed"), complete_on=("paid",)),
}
PROPERTIES = {"type": "map", "values": ["null", "string"]}
USER = {"type": "record", "name": "User", "fields": [{"name": "id", "type": ["null", "string", "long"]}]}
WRITER = record({"n": "int", "user": ["null", USER], "at": MILLIS, "name": ["null", "string"], "with": PROPERTIES})
SOURCE = {"user": "user.id", "time": "at", "event": "name", "action": "with.product"}

Event: TypeAlias = dict[str, Any]
Row: TypeAlias = tuple[Any, ...]

texts = st.text('aé🛒"\\\n ', max_size=6)
events = st.fixed_dictionaries(
    {
        "n": st.integers(-5, 500),
        "user": st.none() | st.fixed_dictionaries({"id": st.none() | texts | st.integers(-9, 2**40)}),
        "at": st.integers(NOON - 10**9, NOON + 10**6) | st.integers(0, 10**6),
        "name": st.none() | st.sampled_from(NAMES),
        "with": st.dictionaries(st.sampled_from(["product", "x", "products"]), st.none() | texts),
    }
)


def plainly(event: Event) -> list[Row] | str:
    """The rows of an event; none where it is ignored; or the reason for which it is bad."""
    user = None if event["user"] is None else event["user"]["id"]
    meant = [
        (name, ending)
        for name, p in PROCESSES.items()
        for ending, names in (
            (Ending.NONE, p.active_on),
            (Ending.COMPLETED, p.complete_on),
            (Ending.CANCELLED, p.cancel_on),
        )
        if event["name"] in names
    ]
    if user is None or not meant:
        return []
    if user == "":
        return "blank"
    if event["at"] < 946_684_800_000:
        return "time_before_2000"
    at, action = min(event["at"], NOON), event["with"].get("product")
    return [(str(user), process, ending, action, at) for process, ending in meant]


@pytest.mark.slow
@given(st.lists(events, max_size=12), st.sampled_from([1, 60]))
@settings(max_examples=80, deadline=None)
def test_own_events_are_read_as_a_plain_reading_of_each_says(data: Sequence[Event], times: int) -> None:
    data = [*data] * times
    expected = [plainly(event) for event in data]
    avro = at_noon(
        own_events(SourceSettings.model_validate(SOURCE), PROCESSES, [WRITER]), [framed(WRITER, e) for e in data]
    )
    written = [json.dumps(event, ensure_ascii=n % 2 == 0).encode() for n, event in enumerate(data)]
    # (Of a plain number JSON does not tell the unit, and one that is too small for milliseconds might be seconds.)
    source = SourceSettings.model_validate({**SOURCE, "format": "json", "time_unit": "millis"})
    for decoded in (avro, at_noon(own_events(source, PROCESSES), written)):
        assert decoded.frame.drop("written_at").rows() == [
            (n, *row) for n, rows in enumerate(expected) if not isinstance(rows, str) for row in rows
        ]
        bad = {n: found for n, found in enumerate(expected) if isinstance(found, str)}
        assert reasons(decoded) == {n: found for n, found in bad.items() if found != "blank"}
        assert decoded.blank == list(bad.values()).count("blank")
        assert decoded.ignored == expected.count([])


@pytest.mark.slow
@given(st.lists(st.tuples(events, st.integers(0, 60), st.binary(max_size=3)), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_damaged_bytes_are_nobody_elses_trouble(data: Sequence[tuple[Event, int, bytes]]) -> None:
    values = []
    for event, place, damage in data:
        whole = framed(WRITER, event)
        cut = 10 + place % (len(whole) - 10)  # behind the header
        values.append(whole[:cut] + damage + whole[cut + len(damage) :])
    decoder = own_events(SourceSettings.model_validate(SOURCE), PROCESSES, [WRITER])
    together, alone = at_noon(decoder, values), [at_noon(decoder, [value]) for value in values]
    assert together.frame.drop("index", "written_at").rows() == [
        row for one in alone for row in one.frame.drop("index", "written_at").rows()
    ]
    assert reasons(together) == {n: one.bad[0].reason for n, one in enumerate(alone) if one.bad}
