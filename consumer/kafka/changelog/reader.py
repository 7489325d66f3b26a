"""Reading a partition of the state topic makes the table again, and the writer that goes on with it."""

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from consumer.clock import Millis
from consumer.detect.brake import BrakeState
from consumer.detect.lapse_rules import LapseRules
from consumer.detect.snapshot import PAGE, SCHEMA, DamagedState
from consumer.detect.snapshot_loader import Loader
from consumer.detect.table import Table
from consumer.kafka.changelog.writer import FORMAT, ChangelogWriter, SegmentHeader, parse_key

_TOGETHER = 16  # segments decoded in one go: each call of polars costs as much as a thousand rows
_NOT_OURS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)


class _Segment(NamedTuple):
    """A segment as it was read; `where` says where, should it be damaged."""

    kind: str
    number: int
    part: int
    value: bytes
    header: SegmentHeader
    where: str


@dataclass(frozen=True, slots=True)
class Restored:
    """A table as the state topic had it, and the input offset and clock that belong to it."""

    table: Table
    writer: ChangelogWriter
    offset: int
    clock: Millis | None
    verdicts: BrakeState


class ChangelogReader:
    """Takes the messages of one partition of the state topic in order, and keeps the latest of each key, as compaction
    would: what has been replaced since is never looked into. Both calls may raise `DamagedState`."""

    def __init__(self, group: str, rules: LapseRules) -> None:
        self._group = group
        self._rules = rules
        self._last: SegmentHeader | None = None
        self._segments: dict[bytes, _Segment] = {}

    def feed(
        self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]], where: str = ""
    ) -> None:
        name, kind, number, part = key or b"", *parse_key(key)
        self._segments.pop(name, None)  # so that it takes its place at the end
        if value is None:
            return
        header = _header(headers, self._group)
        if self._last is None or header.sequence >= self._last.sequence:
            self._last = header
        self._segments[name] = _Segment(kind, number, part, value, header, where)

    def finish(self) -> Restored | None:
        """The table and where it stands; None if the partition holds nothing. May be called once."""
        last = self._last
        if last is None:
            return None
        headers = {name: segment.header for name, segment in self._segments.items()}
        table = Table(self._rules)
        loader = Loader(table, last.pages)
        while self._segments:
            _load(loader, [self._segments.popitem()[1] for _ in range(min(_TOGETHER, len(self._segments)))])
        writer = _writer(self._group, self._rules, last, headers)
        loader.finish(last.watermark or 0, last.ladders)
        return Restored(table, writer, last.offset, last.watermark, last.brake_state)


def _load(loader: Loader, some: Sequence[_Segment]) -> None:
    """Load these segments, the newest of which comes first."""
    for segment, frame in zip(some, _decoded(some), strict=True):
        try:
            if segment.kind == "p":
                loader.page(segment.number, segment.part, frame, segment.header.processes)
            else:
                loader.changes(frame, segment.header.processes)
        except DamagedState as damage:
            raise DamagedState(str(damage), segment.where) from damage
    loader.flush_texts()


def _decoded(some: Sequence[_Segment]) -> Iterator[pl.DataFrame]:
    """The frames of segments. Raises DamagedState."""
    told = [segment for segment in some if segment.value]
    try:
        frames = iter(pl.collect_all([pl.scan_ipc(segment.value) for segment in told]))
    except _NOT_OURS:
        frames = map(_decoded_alone, told)  # one of them is damaged: which?
    return (next(frames) if segment.value else pl.DataFrame(schema=SCHEMA) for segment in some)


def _decoded_alone(segment: _Segment) -> pl.DataFrame:
    try:
        return pl.read_ipc(segment.value)
    except _NOT_OURS as error:
        raise DamagedState("its content is damaged", segment.where) from error


def _writer(
    group: str, rules: LapseRules, last: SegmentHeader, headers: Mapping[bytes, SegmentHeader]
) -> ChangelogWriter:
    """The writer that goes on with segments of these keys. Raises DamagedState if one of them is missing."""
    pieces: dict[int, dict[bytes, int]] = {}
    deltas: dict[int, SegmentHeader] = {}
    chunks: dict[int, set[int]] = {}
    for key, header in headers.items():
        kind, number, part = parse_key(key)
        if kind == "p":
            pieces.setdefault(number // PAGE, {})[key] = header.sequence
        else:
            deltas[number] = header
            chunks.setdefault(number, set()).add(part)
    writer = ChangelogWriter(group, rules.ladders)
    writer.sequence = last.sequence
    writer.written = [_written(pieces.get(page, {})) for page in range(last.pages)]
    writer.pieces = {page: set(keys) for page, keys in pieces.items()}
    writer.deltas = deque((sequence, deltas[sequence].chunks) for sequence in sorted(deltas))
    for sequence in range(min(_oldest(writer, deltas) + 1, last.sequence), last.sequence + 1):
        if sequence not in deltas or len(chunks[sequence]) != deltas[sequence].chunks:
            raise DamagedState(f"the segment with sequence {sequence} is missing or not whole")
    return writer


def _oldest(writer: ChangelogWriter, deltas: Mapping[int, SegmentHeader]) -> int:
    """The sequence behind which every delta is needed: some page holds nothing later.

    A page that was never written holds nothing from before the last delta that did not know it.
    """
    return min(
        (
            written or max((sequence for sequence, header in deltas.items() if header.pages <= page), default=0)
            for page, written in enumerate(writer.written)
        ),
        default=writer.sequence,
    )


def _written(pieces: Mapping[bytes, int]) -> int:
    """The sequence at which a page was last written: 0 unless its latest pieces are all there.

    Former pieces may still be there: of whoever reads slowly, compaction may have taken their tombstones out of sight.
    """
    latest = max(pieces.values(), default=0)
    spans = (parse_key(key)[1:] for key, sequence in pieces.items() if sequence == latest)
    return latest if sum(end - start for start, end in spans) == PAGE else 0


def _header(headers: Sequence[tuple[str, bytes]], group: str) -> SegmentHeader:
    told = dict(headers).get("segment")
    if told is None:
        raise DamagedState("a record without a segment header: not written by Lapse")
    try:
        fields = json.loads(told)
        header = SegmentHeader(**{**fields, "brake_state": BrakeState(**fields.get("brake_state", {}))})
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedState("its segment header cannot be read") from error
    if header.version != FORMAT:
        raise DamagedState(f"its format is {header.version}; this Lapse reads {FORMAT}")
    if not all(isinstance(n, int) for n in (header.sequence, header.offset, header.chunks, header.pages)):
        raise DamagedState("its segment header cannot be read")
    if header.group != group:
        raise DamagedState(f"it belongs to the group {header.group!r}, not {group!r}")
    return header
