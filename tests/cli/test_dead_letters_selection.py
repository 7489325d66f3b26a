"""Records of the dead-letters topic, and which of them are replayed."""

import tracemalloc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.commands.dead_letters.list import hex_dump
from consumer.commands.dead_letters.replay import Input, obstacle_of, replayed_record, survey
from consumer.commands.dead_letters.selection import DeadLetterFilter
from consumer.kafka.clients.output import Output
from consumer.kafka.dead_letters.records import RejectedRecord, dead_letter, digest
from consumer.kafka.dead_letters.topic_reader import DeadLetter, Origin, ReplayNote, parse, replay_note

TARGET = Input("activity", 4)
LETTER = DeadLetter(
    partition=0,
    offset=7,
    at=1_000,
    origin=Origin(topic="activity", partition=3, offset=42),
    reason="unframed",
    error="no header",
    size=3,
    head=b"abc",
)


@dataclass
class Record:
    """As confluent_kafka has it."""

    headers_: Sequence[tuple[str, bytes | None]] | None = None
    value_: bytes | None = b"abc"
    key_: bytes | None = b"u1"
    partition_: int = 0
    offset_: int = 7

    def headers(self) -> Sequence[tuple[str, bytes | None]] | None:
        return self.headers_

    def value(self) -> bytes | None:
        return self.value_

    def key(self) -> bytes | None:
        return self.key_

    def partition(self) -> int:
        return self.partition_

    def offset(self) -> int:
        return self.offset_

    def topic(self) -> str:
        return "activity"

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_000


HEADERS = [
    ("topic", b"activity"),
    ("partition", b"3"),
    ("offset", b"42"),
    ("reason", b"unframed"),
    ("error", b"no header"),
]


def written(output: Output, offset: int = 30) -> Record:
    """An output, as it will be read."""
    return Record(list(output.headers), output.value, output.key, output.partition, offset)


def letters(*offsets: int, topic: str = "activity", reason: str = "unframed") -> list[DeadLetter]:
    origin = Origin(topic=topic, partition=0, offset=0)
    return [replace(LETTER, offset=offset, origin=origin, reason=reason) for offset in offsets]


def going(records: Iterable[DeadLetter | ReplayNote], chosen: DeadLetterFilter | None = None) -> list[tuple[int, int]]:
    found = survey(records, chosen or DeadLetterFilter(), TARGET)
    return [
        (partition, offset)
        for partition, span in found.spans().items()
        for offset in span
        if found.has_to_go(partition, offset)
    ]


class TestARecordOfTheTopic:
    def test_is_a_letter_with_its_headers(self) -> None:
        assert parse(Record(HEADERS)) == LETTER

    def test_may_have_a_null_or_an_empty_value(self) -> None:
        assert parse(Record(HEADERS, None)) == replace(LETTER, size=None, head=b"")
        assert parse(Record(HEADERS, b"")) == replace(LETTER, size=0, head=b"")

    def test_keeps_only_the_beginning_of_its_bytes(self) -> None:
        found = parse(Record(HEADERS, b"x" * 1_000))
        assert isinstance(found, DeadLetter)
        assert (found.size, found.head) == (1_000, b"x" * 200)
        assert "xxx" not in repr(found)

    @pytest.mark.parametrize(
        "headers",
        [
            None,
            [],
            HEADERS[1:],
            [("topic", b"activity"), ("partition", b"-1"), ("offset", b"42")],
            [("topic", b"activity"), ("partition", b"3"), ("offset", None)],
            [("topic", b""), ("partition", b"3"), ("offset", b"42")],
            [("topic", b"activity"), ("partition", "²".encode()), ("offset", b"9" * 99)],
        ],
    )
    def test_without_headers_has_no_origin(self, headers: list[tuple[str, bytes | None]] | None) -> None:
        found = parse(Record(headers))
        assert isinstance(found, DeadLetter)
        assert found.origin is None

    def test_has_no_terminal_control_characters(self) -> None:
        found = parse(Record([("reason", b"\x1b[31mred"), ("error", b"two\nlines \xff")]))
        assert isinstance(found, DeadLetter)
        assert (found.reason, found.error) == ("�[31mred", "two�lines �")

    def test_replay_note_is_read_back(self) -> None:
        output = replay_note("dead", 3, [17, 18, 25])
        assert (output.topic, output.partition) == ("dead", 3)
        assert parse(written(output)) == ReplayNote(3, (17, 18, 25))

    def test_replay_note_names_only_earlier_letters(self) -> None:
        assert parse(written(replay_note("dead", 3, [17, 30, 2**62, -1]))) == ReplayNote(3, (17,))

    @pytest.mark.parametrize("value", [None, b"", b"17", b'["17"]', b"[true]", b"[1.5]", b"\xff", b"[" * 100_000])
    def test_malformed_note_is_a_letter(self, value: bytes | None) -> None:
        assert isinstance(parse(Record([("replayed", b"1")], value)), DeadLetter)


class TestWhatGoesBack:
    def test_is_everything_not_replayed_before(self) -> None:
        assert going([*letters(1, 2, 3), ReplayNote(0, (2,)), *letters(5)]) == [(0, 1), (0, 3), (0, 5)]

    def test_is_not_affected_by_notes_of_other_partitions(self) -> None:
        assert going([*letters(1), ReplayNote(1, (1,))]) == [(0, 1)]

    def test_is_filtered(self) -> None:
        records = [*letters(1), *letters(2, reason="unreadable"), *letters(3, topic="contacts")]
        assert going(records, DeadLetterFilter(reason="unreadable")) == [(0, 2)]
        assert going(records, DeadLetterFilter(topic="activity")) == [(0, 1), (0, 2)]
        assert going([replace(LETTER, offset=6, at=999), LETTER], DeadLetterFilter(since=1_000)) == [(0, 7)]
        assert going([replace(LETTER, offset=6, at=999), LETTER], DeadLetterFilter(until=1_000)) == [(0, 6)]
        assert going([replace(LETTER, origin=None)], DeadLetterFilter(topic="activity")) == []

    def test_never_goes_to_another_topic_than_the_input(self) -> None:
        found = survey([*letters(1, topic="reminders"), *letters(2)], DeadLetterFilter(), TARGET)
        assert len(found) == 1
        assert found.stay == {"came from another topic than activity: have what writes there write it again": 1}

    def test_keeps_partition_key_bytes_headers_and_time(self) -> None:
        original = Record([("trace", b"7"), ("replayed_from", b"dead/0/1"), ("trace", None)], partition_=3)
        output = replayed_record(LETTER, Record(HEADERS), original, "dead")
        headers = [("trace", b"7"), ("trace", None), ("replayed_from", b"dead/0/7")]
        assert output == Output("activity", 3, b"u1", b"abc", headers, 1_000)

    def test_may_have_neither_key_nor_value(self) -> None:
        output = replayed_record(LETTER, Record(HEADERS, None, None), Record(None, None, None), "dead")
        assert isinstance(output, Output)
        assert (output.key, output.value) == (None, None)

    @pytest.mark.parametrize(
        "letter",
        [
            Record(HEADERS, b"abcd"),
            Record(HEADERS, None),
            Record(HEADERS, b"abc", b"u2"),
            Record(HEADERS, b"abc", None),
            Record([*HEADERS, ("value_sha256", digest(b"abcd"))], None),
        ],
    )
    def test_is_only_what_stands_at_the_place_that_the_letter_names(self, letter: Record) -> None:
        told = "says something else than the record that it names"
        assert replayed_record(LETTER, letter, Record(), "dead") == told

    def test_of_a_letter_that_is_not_whole_is_known_by_its_digests(self) -> None:
        rejected = RejectedRecord("activity", 3, 42, b"u1", b"abc")
        output = dead_letter("dead", rejected, "unframed", "no header", lambda size: False)
        letter = Record(list(output.headers), output.value, output.key)
        assert (letter.key_, letter.value_) == (None, None)
        assert isinstance(replayed_record(LETTER, letter, Record(), "dead"), Output)
        assert parse(letter) == replace(LETTER, head=b"", is_whole=False)

    def test_of_a_record_that_has_gone_is_nothing(self) -> None:
        assert replayed_record(LETTER, Record(HEADERS), None, "dead") == "names a record that its topic no longer has"

    def test_spans_cover_the_selected_letters(self) -> None:
        elsewhere = replace(LETTER, partition=1, offset=2)
        records: list[DeadLetter | ReplayNote] = [*letters(4, 6, 9), elsewhere, ReplayNote(1, (2,))]
        assert survey(records, DeadLetterFilter(), TARGET).spans() == {0: range(4, 10)}

    @pytest.mark.parametrize(
        ("origin", "told"),
        [
            (None, "has no headers that say where it came from"),
            (Origin(topic="activity", partition=4, offset=0), "came from a partition that its topic does not have"),
            (Origin(topic="activity", partition=3, offset=0), None),
        ],
    )
    def test_has_a_valid_origin(self, origin: Origin | None, told: str | None) -> None:
        assert obstacle_of(replace(LETTER, origin=origin), TARGET) == told

    @given(
        reasons=st.lists(st.sampled_from("abc"), max_size=20),
        calls=st.lists(st.sampled_from(["a", "b", "c", None]), max_size=6),
    )
    def test_goes_once_for_any_order_of_filters(self, reasons: list[str], calls: list[str | None]) -> None:
        topic: list[DeadLetter | ReplayNote] = [
            replace(LETTER, partition=n % 2, offset=n, reason=reason) for n, reason in enumerate(reasons)
        ]
        gone: list[tuple[int, int]] = []
        for reason in calls:
            back = going(topic, DeadLetterFilter(reason=reason))
            gone += back
            topic += [ReplayNote(partition, (offset,)) for partition, offset in back]
        wanted = {(n % 2, n) for n, reason in enumerate(reasons) if reason in calls or None in calls}
        assert sorted(gone) == sorted(wanted)

    def test_selection_needs_a_bit_for_each_letter(self) -> None:
        many = (replace(LETTER, partition=n % 3, offset=1_000_000 + n) for n in range(50_000))
        tracemalloc.start()
        found = survey(many, DeadLetterFilter(), TARGET)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(found) == 50_000
        assert most < 100_000


class TestADump:
    def test_shows_bytes_as_hex_and_text(self) -> None:
        lines = list(hex_dump(replace(LETTER, head=b"Obj\x01 0123456789ab+\xff", size=18)))
        assert lines == [
            "  0000  4f 62 6a 01 20 30 31 32 33 34 35 36 37 38 39 61  Obj. 0123456789a",
            "  0010  62 2b ff                                         b+.",
        ]

    def test_shows_how_much_is_left_out(self) -> None:
        lines = list(hex_dump(replace(LETTER, head=b"x" * 200, size=1_234)))
        assert (len(lines), lines[-1]) == (14, "  and 1,034 bytes more")

    def test_shows_that_a_value_was_not_kept(self) -> None:
        [line] = hex_dump(replace(LETTER, head=b"", size=12_000_000, is_whole=False))
        assert line.startswith("  not kept: 12,000,000 bytes are more than the topic takes")

    def test_shows_null_and_empty(self) -> None:
        assert list(hex_dump(replace(LETTER, head=b"", size=None))) == ["  null"]
        assert list(hex_dump(replace(LETTER, head=b"", size=0))) == ["  empty"]
