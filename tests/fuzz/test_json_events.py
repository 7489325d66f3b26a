"""Any JSON is an activity, ignored, or bad with a reason, and never the trouble of its neighbours."""

import json
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.config.sections.source import SourceSettings
from tests.activity.writing import NOON, own_events, process

PROCESSES = {"checkout": process(active_on=("viewed",), complete_on=("paid",))}
SOURCE = {"format": "json", "user": "user.id", "time": "time", "event": "name"}
GOOD = json.dumps({"user": {"id": "ann"}, "time": NOON, "name": "viewed"}).encode()
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["viewed", "paid", NOON, 10**400, -1, 1e308, "2026-11-28T20:00:00Z", "x" * 300, "\ud800", "a\0b"])
)  # fmt: skip
documents = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["user", "id", "time", "name"]) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=10,
)
events = st.fixed_dictionaries(
    {"user": documents | st.fixed_dictionaries({"id": leaves}), "time": leaves, "name": leaves}
)
DECODER = own_events(SourceSettings.model_validate(SOURCE), PROCESSES)


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


@example([encoded({"user": {"id": "ann"}, "time": "\ud800", "name": "viewed"})])
@given(st.lists((documents | events).map(encoded) | st.binary(max_size=40), max_size=6))
def test_any_value_is_judged_alone(values: list[bytes]) -> None:
    batch = [each for value in values for each in (GOOD, value)] + [GOOD]
    decoded = DECODER.decode(batch, np.full(len(batch), NOON), NOON)
    rows = decoded.frame["index"].to_list()
    assert set(range(0, len(batch), 2)) <= set(rows)
    odd = len(batch) - len(set(rows)) - len(decoded.bad)
    assert odd == decoded.ignored + decoded.blank
    assert all(bad.reason and bad.error for bad in decoded.bad)
    for user in decoded.frame["user_id"]:
        assert 0 < len(user.encode()) <= 255
    for name in ("occurred_at", "written_at"):
        assert decoded.frame[name].max() == NOON
