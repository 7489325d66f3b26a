"""Whoever has the key writes what they like: a segment is restored, or stops its partition with the reason."""

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consumer.detect.lapse_rules import Processes
from consumer.detect.snapshot import DamagedState
from consumer.kafka.changelog.reader import ChangelogReader
from consumer.kafka.changelog.segment_header import Seal
from consumer.kafka.changelog.writer import ChangelogRecord
from tests.detect.hearing import RULES
from tests.kafka.test_state import Partition, users

numbers = st.integers() | st.sampled_from([0, -1, 2**31, 2**53, 2**63, 2**64, 10**400])
values = st.recursive(
    st.none() | st.booleans() | numbers | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def log() -> list[ChangelogRecord]:
    partition = Partition()
    for n in range(3):
        partition.commit(n, hears=users(n * 10, 10, at=n))
    return partition.compacted()


LOG = log()


def read(records: list[ChangelogRecord]) -> None:
    reader = ChangelogReader("lapse", Processes(RULES))
    with contextlib.suppress(DamagedState):
        for record in records:
            reader.feed(record.key, record.value, record.headers)
        reader.finish()


def sealed(record: ChangelogRecord, key: bytes, header: bytes, value: bytes) -> ChangelogRecord:
    return record._replace(key=key, value=value, headers=Seal().headers(key, header, value))


@given(st.data())
def test_any_header_is_read_or_refused(data: st.DataObject) -> None:
    record = data.draw(st.sampled_from(LOG))
    header: dict[str, Any] = json.loads(dict(record.headers)["segment"] or b"")
    place: dict[str, Any] = header
    name = data.draw(st.sampled_from(sorted(header)))
    while isinstance(place[name], dict) and place[name] and data.draw(st.booleans()):
        place = place[name]
        name = data.draw(st.sampled_from(sorted(place)))
    place[name] = data.draw(values)
    changed = sealed(record, record.key or b"", json.dumps(header).encode(), record.value or b"")
    read([changed if each is record else each for each in LOG])


@given(st.sampled_from(LOG), st.binary(max_size=30) | st.text("pd/0123456789-", max_size=20).map(str.encode))
def test_any_key_is_read_or_refused(record: ChangelogRecord, key: bytes) -> None:
    header = dict(record.headers)["segment"] or b""
    read([*LOG, sealed(record, key, header, record.value or b"")])


@given(st.lists(st.sampled_from(LOG), max_size=6))
def test_any_selection_of_records_is_read_or_refused(records: list[ChangelogRecord]) -> None:
    read(records)
