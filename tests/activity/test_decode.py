"""A batch from the activity topic: what becomes of good records, of bad ones, and of the neighbours of bad ones."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.record_codec import RecordCodec, RegistryUnavailable
from consumer.activity.schemas.framing import registry_header
from consumer.activity.schemas.registry import RegistryClient
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import DAY, HOUR, SECOND, ManualClock
from consumer.records import ActivityKind, Ending, UserActivity

from .registry import SchemaRegistry
from .writing import (
    FIELDS,
    NOON,
    body,
    decode,
    event,
    framed,
    reasons,
    record,
    users,
)

PLAIN = record(FIELDS)
NOBODYS = 2_000_000_000
"""An id that no registry has given away."""


def beside_neighbours(bad: bytes | None, **given: Any) -> dict[int, str]:
    """The reasons when this value stands between good ones, which must come out whole."""
    neighbours = [framed(PLAIN, event(user_id=name)) for name in ("ann", "bob")]
    decoded = decode([PLAIN], [neighbours[0], bad, neighbours[1]], **given)
    assert decoded.frame["index"].to_list() == [0, 2]
    assert users(decoded) == ["ann", "bob"]
    return reasons(decoded)


def test_activities_become_columns_in_order() -> None:
    data = [
        event(user_id="ann"),
        event(user_id="bob", kind="COMPLETED", occurred_at=NOON - 5),
        event(user_id="a" * 255, process="ärger", kind="CANCELLED", action="Bestellung 🛒"),
        event(user_id="ann", kind="PROGRESSED", action=""),
    ]
    decoded = decode([PLAIN], [framed(PLAIN, datum) for datum in data])
    assert decoded.frame.schema == pl.Schema(
        {
            "index": pl.UInt32,
            "user_id": pl.String,
            "process": pl.String,
            "ending": pl.UInt8,
            "action": pl.String,
            "occurred_at": pl.Int64,
            "written_at": pl.Int64,
        }
    )
    assert decoded.frame.drop("written_at").rows() == [
        (0, "ann", "checkout", Ending.NONE, None, NOON),
        (1, "bob", "checkout", Ending.COMPLETED, None, NOON - 5),
        (2, "a" * 255, "ärger", Ending.CANCELLED, "Bestellung 🛒", NOON),
        (3, "ann", "checkout", Ending.NONE, "", NOON),
    ]
    assert (decoded.bad, decoded.clamped) == ([], 0)


def test_a_batch_of_nothing_is_an_empty_frame() -> None:
    decoded = decode([], [])
    assert (decoded.frame.height, decoded.bad, decoded.clamped) == (0, [], 0)
    assert decoded.frame.columns == ["index", "user_id", "process", "ending", "action", "occurred_at", "written_at"]


def test_our_own_records_are_read() -> None:
    codec = RecordCodec(WriterSchemas(ManualClock()))
    sent = UserActivity(event_id="e", user_id="ann", process="checkout", kind=ActivityKind.COMPLETED, occurred_at=NOON)
    assert users(decode([], [codec.encode(sent, "user-activity")])) == ["ann"]


def test_both_framings_and_several_writers_mix_in_one_batch(registry: SchemaRegistry) -> None:
    client = RegistryClient(registry.url)
    reordered = record(dict(reversed(list(FIELDS.items()))))
    ids = [
        client.register(
            f"{n}-value", json.dumps(w.schema["fields"] and {k: v for k, v in w.schema.items() if k[0] != "_"})
        )
        for n, w in enumerate((PLAIN, reordered))
    ]
    values = [
        registry_header(ids[0]) + body(PLAIN, event(user_id="a")),
        framed(PLAIN, event(user_id="b", kind="COMPLETED")),
        registry_header(ids[1]) + body(reordered, event(user_id="c", action="pay")),
        registry_header(NOBODYS) + body(PLAIN, event()),
        registry_header(ids[0]) + body(PLAIN, event(user_id="d")),
        b'{"user_id": "ann"}',
        framed(PLAIN, event(user_id="e")),
    ]
    decoder = ActivityDecoder(AvroReader(WriterSchemas(ManualClock(), client, [PLAIN])))
    decoded = decoder.decode(values, np.full(7, NOON), NOON)
    assert users(decoded) == ["a", "b", "c", "d", "e"]
    assert decoded.frame["index"].to_list() == [0, 1, 2, 4, 6]
    assert decoded.frame["ending"].to_list() == [Ending.NONE, Ending.COMPLETED, *[Ending.NONE] * 3]
    assert reasons(decoded) == {3: "unknown_schema", 5: "unframed"}


def test_the_registry_is_not_asked_again_for_every_batch(registry: SchemaRegistry) -> None:
    clock = ManualClock()
    decoder = ActivityDecoder(AvroReader(WriterSchemas(clock, RegistryClient(registry.url), [PLAIN])))
    values = [registry_header(NOBODYS) + b"x", framed(PLAIN, event())]
    for _ in range(3):
        assert reasons(decoder.decode(values, np.full(2, NOON), NOON)) == {0: "unknown_schema"}
        clock.advance(SECOND)
    assert len(registry.requests) == 1


def test_when_the_registry_is_away_nothing_is_called_bad(registry: SchemaRegistry) -> None:
    registry.down = True
    decoder = ActivityDecoder(AvroReader(WriterSchemas(ManualClock(), RegistryClient(registry.url), [PLAIN])))
    with pytest.raises(RegistryUnavailable):
        decoder.decode([registry_header(NOBODYS) + b"x", framed(PLAIN, event())], np.full(2, NOON), NOON)


@pytest.mark.parametrize("value", [None, b""])
def test_a_null_value_is_read_and_is_nothing(value: bytes | None) -> None:
    decoded = decode([PLAIN], [framed(PLAIN, event()), value, framed(PLAIN, event(user_id="bob"))])
    assert users(decoded) == ["ann", "bob"]
    assert (decoded.blank, decoded.bad) == (1, [])


GOOD = framed(PLAIN, event())
HUGE = b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(GOOD[:10], id="no body"),
        pytest.param(GOOD[:-1], id="cut short"),
        pytest.param(GOOD + b"\0", id="something left over"),
        pytest.param(GOOD + GOOD[10:], id="two in one"),
        pytest.param(GOOD[:10] + b"\x20" + GOOD[11:], id="a text longer than the record"),
        pytest.param(GOOD[:10] + b"\x01" + GOOD[11:], id="a text of length -1"),
        pytest.param(GOOD[:10] + HUGE + GOOD[11:], id="a text of half the memory in the world"),
        pytest.param(GOOD[:10] + b"\x80" * 200, id="a number without an end"),
        pytest.param(GOOD.replace(b"\x06ann", b"\x06a\xffn"), id="a user that is no text"),
        pytest.param(GOOD.replace(b"checkout\x00", b"checkout\x08"), id="a kind out of range"),
        pytest.param(GOOD.replace(b"checkout\x00", b"checkout\x01"), id="kind number -1"),
        pytest.param(GOOD.replace(b"checkout\x00\x00", b"checkout\x00\x04"), id="an action of no type"),
    ],
)
def test_damaged_bytes_are_unreadable_and_their_neighbours_are_not(damaged: bytes) -> None:
    assert beside_neighbours(damaged) == {1: "unreadable"}


def test_an_unknown_schema_and_no_frame_at_all_are_set_aside() -> None:
    assert beside_neighbours(registry_header(7) + b"x") == {1: "unknown_schema"}
    assert beside_neighbours(b"\xc3\x01" + bytes(8)) == {1: "unknown_schema"}
    assert beside_neighbours(b'{"user_id": "ann"}') == {1: "unframed"}
    assert beside_neighbours(b"\x00") == {1: "unframed"}


def test_an_event_of_nobody_is_read_and_is_nothing() -> None:
    decoded = decode([PLAIN], [framed(PLAIN, event(user_id=user)) for user in ("", "ann", "")])
    assert users(decoded) == ["ann"]
    assert (decoded.blank, decoded.bad) == (2, [])


def test_an_empty_process_is_set_aside() -> None:
    assert beside_neighbours(framed(PLAIN, event(process=""))) == {1: "empty_process"}


@pytest.mark.parametrize("beside", [0, 600])
def test_a_user_id_of_more_than_255_bytes_is_set_aside(beside: int) -> None:
    ids = ["é" * 127 + "e", "é" * 128, "e" * 255, "e" * 256, *["ann"] * beside]
    decoded = decode([PLAIN], [framed(PLAIN, event(user_id=user)) for user in ids])
    assert reasons(decoded) == {1: "user_id_too_long", 3: "user_id_too_long"}
    assert users(decoded) == [ids[0], ids[2], *["ann"] * beside]


@pytest.mark.parametrize("beside", [0, 600])
def test_an_action_of_more_than_128_characters_is_cut(beside: int) -> None:
    actions = ["é" * 128, "🛒" * 129, "x" * 500, None, *["pay"] * beside]
    decoded = decode([PLAIN], [framed(PLAIN, event(action=action)) for action in actions])
    assert decoded.bad == []
    assert decoded.frame["action"].to_list() == ["é" * 128, "🛒" * 128, "x" * 128, None, *["pay"] * beside]


def test_nulls_where_a_value_is_needed_are_set_aside() -> None:
    writer = record({name: ["null", kind] if name != "action" else kind for name, kind in FIELDS.items()})
    needed = {"process": "empty_process", "kind": "missing_field", "occurred_at": "missing_field"}
    decoded = decode([writer], [framed(writer, event(**{name: None})) for name in needed] + [framed(writer, event())])
    assert list(reasons(decoded).values()) == list(needed.values())
    assert users(decoded) == ["ann"]


def test_a_time_before_2000_is_set_aside() -> None:
    year_2000 = 946_684_800_000
    assert beside_neighbours(framed(PLAIN, event(occurred_at=year_2000 - 1))) == {1: "time_before_2000"}
    assert beside_neighbours(framed(PLAIN, event(occurred_at=NOON // 1000))) == {1: "time_before_2000"}
    assert users(decode([PLAIN], [framed(PLAIN, event(occurred_at=year_2000))])) == ["ann"]


def test_a_time_long_after_its_record_is_set_back_and_counted() -> None:
    values = [framed(PLAIN, event(occurred_at=NOON + ahead)) for ahead in (-1, HOUR, HOUR + 1, 400 * DAY)]
    decoded = decode([PLAIN], values, now=NOON + DAY, timestamps=[NOON] * 4)
    assert decoded.frame["occurred_at"].to_list() == [NOON - 1, NOON + HOUR, NOON + HOUR, NOON + HOUR]
    assert decoded.frame["written_at"].to_list() == [NOON] * 4
    assert decoded.skew.tolist() == [1, -HOUR, -HOUR - 1, -400 * DAY]
    assert (decoded.clamped, decoded.bad) == (2, [])


def test_neither_an_event_nor_its_record_is_of_the_future() -> None:
    values = [framed(PLAIN, event(occurred_at=NOON + ahead)) for ahead in (20, 21, -5)]
    decoded = decode([PLAIN], values, now=NOON, timestamps=[NOON + 20, NOON - 10, NOON + 30])
    assert decoded.frame["occurred_at"].to_list() == [NOON, NOON, NOON - 5]
    assert decoded.frame["written_at"].to_list() == [NOON, NOON - 10, NOON]
    assert (decoded.clamped, decoded.bad) == (2, [])


@pytest.mark.parametrize("recorded", [2**63 - 1, 2**63 - HOUR, 2**62, -(2**63)])
def test_a_record_whose_own_time_can_be_none_is_heard_by_its_events_time(recorded: int) -> None:
    decoded = decode([PLAIN], [framed(PLAIN, event(occurred_at=NOON - 5))], now=NOON, timestamps=[recorded])
    assert decoded.frame["occurred_at"].to_list() == [NOON - 5]
    assert decoded.frame["written_at"].to_list() == [NOON]
    assert (decoded.clamped, decoded.bad) == (0, [])
    assert 0 < decoded.skew.item() <= DAY + 6


@pytest.mark.parametrize("unknown", [-1, 0])
def test_a_record_without_a_time_of_its_own_counts_as_of_now(unknown: int) -> None:
    value = framed(PLAIN, event(occurred_at=NOON + DAY))
    decoded = decode([PLAIN], [value], now=NOON, timestamps=[unknown])
    assert decoded.frame["occurred_at"].to_list() == [NOON]
    assert decoded.clamped == 1


def test_when_both_clocks_are_a_day_ahead_the_record_is_set_aside() -> None:
    value = framed(PLAIN, event(occurred_at=NOON + DAY + 1))
    assert users(decode([PLAIN], [value], timestamps=[NOON + DAY])) == ["ann"]
    decoded = decode([PLAIN], [value], timestamps=[NOON + DAY + 1])
    assert (reasons(decoded), decoded.clamped) == ({0: "time_in_future"}, 0)


def test_errors_say_what_to_do_and_quote_nothing() -> None:
    values = [
        framed(PLAIN, event(user_id="SECRET"))[:-1],
        framed(PLAIN, event(user_id="SECRET", process="")),
        framed(PLAIN, event(user_id="SECRET", occurred_at=5)),
        b"SECRET",
    ]
    decoded = decode([PLAIN], values)
    assert [bad.index for bad in decoded.bad] == [0, 1, 2, 3]
    for bad in decoded.bad:
        assert "SECRET" not in bad.error
        assert len(bad.error) > 20


def test_half_a_batch_may_be_bad() -> None:
    values = [GOOD if n % 2 else GOOD[:-1] for n in range(2000)]
    decoded = decode([PLAIN], values)
    assert decoded.frame["index"].to_list() == list(range(1, 2000, 2))
    assert list(reasons(decoded)) == list(range(0, 2000, 2))
