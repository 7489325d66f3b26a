"""Restores a table, and the writer that continues it, from the records of one partition of the state topic."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from consumer.clock import Millis
from consumer.detect.brake import BrakeState
from consumer.detect.lapse_rules import Processes
from consumer.detect.row_loops import PLAIN_LOOPS, RowLoops
from consumer.detect.snapshot import PAGE, SCHEMA, DamagedState
from consumer.detect.snapshot_loader import Loader
from consumer.detect.table import Table
from consumer.kafka.changelog import segment_header
from consumer.kafka.changelog.segment_header import FILE_FORMATS, Headers, Seal, SegmentHeader
from consumer.kafka.changelog.writer import ChangelogWriter, parse_key

_SEGMENTS_AT_ONCE = 16  # their texts are stored together: each polars call costs as much as a thousand rows
_DECODE_ERRORS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)


class _Segment(NamedTuple):
    """A segment as read; `where` is its offset, for errors."""

    kind: str
    number: int
    part: int
    value: bytes
    headers: Headers
    header: SegmentHeader
    where: str


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored table, and what belongs to it: its writer, input offset, watermark and brake state."""

    table: Table
    writer: ChangelogWriter
    offset: int
    watermark: Millis | None
    brake_state: BrakeState


class ChangelogReader:
    """Takes the messages of one partition of the state topic in order, and keeps the latest of each key, as compaction
    does; replaced segments are never decoded. Both methods may raise `DamagedState`.

    Commits are written one after the other and compaction keeps their order, so a segment of an earlier commit behind
    one of a later is a copy: its seal is right, and what it says is over.
    """

    def __init__(
        self, group: str, processes: Processes, seal: Seal | None = None, *, loops: RowLoops = PLAIN_LOOPS
    ) -> None:
        """`processes` and `loops` are shared by the tables of a process; `seal` is of the partition."""
        self._group = group
        self._processes = processes
        self._loops = loops
        self._seal = seal or Seal()
        self._last: SegmentHeader | None = None
        self._segments: dict[bytes, _Segment] = {}

    def feed(self, key: bytes | None, value: bytes | None, headers: Headers, where: str = "") -> None:
        name, kind, number, part = key or b"", *parse_key(key)
        self._segments.pop(name, None)  # so that it moves to the end
        if value is None:
            return
        self._seal.verify(name, headers)
        header = segment_header.parse(headers, self._group)
        self._refuse_copy(header)
        self._last = header
        self._segments[name] = _Segment(kind, number, part, value, headers, header, where)

    def _refuse_copy(self, header: SegmentHeader) -> None:
        """Raise DamagedState for a segment that was written before the last, or belongs to another state.

        (Of one commit all segments have the same header.)
        """
        last = self._last
        if last is None or header == last:
            return
        begun = {last.lineage.begun_at, header.lineage.begun_at} - {None}  # absent in states of earlier versions
        if len(begun) > 1:
            raise DamagedState("it belongs to a state from before a rebuild: somebody copied it")
        if header.sequence <= last.sequence:
            raise DamagedState(
                f"its sequence is {header.sequence} and comes behind {last.sequence}: somebody copied an earlier record"
            )

    def finish(self) -> Restored | None:
        """Return what was restored, or None if the partition is empty. To be called once."""
        last = self._last
        if last is None:
            return None
        headers = {name: segment.header for name, segment in self._segments.items()}
        table = Table(self._processes, not_before=last.lineage.grown_at, loops=self._loops)
        loader = Loader(table, last.pages)
        while self._segments:
            some = [self._segments.popitem()[1] for _ in range(min(_SEGMENTS_AT_ONCE, len(self._segments)))]
            for segment in some:
                self._verify_value(segment)
            _load(loader, some)
        writer = _build_writer(ChangelogWriter(self._group, last.lineage, self._seal), last, headers)
        loader.finish({name: known.ladder for name, known in last.lineage.processes.items()})
        return Restored(table, writer, last.offset, last.watermark, last.brake_state)

    def _verify_value(self, segment: _Segment) -> None:
        """Raise DamagedState before native code parses bytes that we have not written."""
        try:
            self._seal.verify_value(segment.headers, segment.value)
        except DamagedState as damage:
            raise DamagedState(str(damage), segment.where) from None


def _load(loader: Loader, some: Sequence[_Segment]) -> None:
    """Load these segments, the newest first."""
    for segment in some:
        frame = _decode(segment)
        try:
            if segment.kind == "p":
                loader.page(segment.number, segment.part, frame, segment.header.processes)
            else:
                loader.changes(frame, segment.header.processes)
        except DamagedState as damage:
            raise DamagedState(str(damage), segment.where) from damage
    loader.flush_texts()


def _decode(segment: _Segment) -> pl.DataFrame:
    """Return the frame of a segment. Raises DamagedState."""
    if not segment.value:
        return pl.DataFrame(schema=SCHEMA)
    read = pl.read_ipc if segment.header.version in FILE_FORMATS else pl.read_ipc_stream
    try:
        return read(segment.value)
    except _DECODE_ERRORS as error:
        raise DamagedState("its content is damaged", segment.where) from error


def _build_writer(
    writer: ChangelogWriter, last: SegmentHeader, headers: Mapping[bytes, SegmentHeader]
) -> ChangelogWriter:
    """Have a new writer continue these segments. Raises DamagedState if one of them is missing."""
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
    writer.sequence = last.sequence
    writer.written = [_written_at(pieces.get(page, {})) for page in range(last.pages)]
    writer.pieces = {page: set(keys) for page, keys in pieces.items()}
    writer.deltas = deque((sequence, deltas[sequence].chunks) for sequence in sorted(deltas))
    for sequence in range(min(_oldest_page(writer, deltas) + 1, last.sequence), last.sequence + 1):
        if sequence not in deltas or len(chunks[sequence]) != deltas[sequence].chunks:
            raise DamagedState(f"the segment with sequence {sequence} is missing or not whole")
    return writer


def _oldest_page(writer: ChangelogWriter, deltas: Mapping[int, SegmentHeader]) -> int:
    """Return the sequence of the page written longest ago: every later delta is needed.

    A page that was never written needs no delta up to the last one that did not have this page.
    """
    return min(
        (
            written or max((sequence for sequence, header in deltas.items() if header.pages <= page), default=0)
            for page, written in enumerate(writer.written)
        ),
        default=writer.sequence,
    )


def _written_at(pieces: Mapping[bytes, int]) -> int:
    """Return the sequence at which a page was last written; 0 unless all its latest pieces are present.

    Former pieces may be present too, if compaction removed their tombstones while the topic was being read.
    """
    latest = max(pieces.values(), default=0)
    spans = (parse_key(key)[1:] for key, sequence in pieces.items() if sequence == latest)
    return latest if sum(end - start for start, end in spans) == PAGE else 0
