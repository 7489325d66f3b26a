"""The state topic of one partition: what each commit writes, and how reading it in order makes the table again.

Every commit writes one delta (the rows that changed) under its sequence number and rewrites some pages of rows, the
oldest first. A delta that every page has outlived is tombstoned in the same transaction, so the topic stays as large
as a few tables, no commit ever writes a whole one, and compaction may run when it likes.

    key d/<sequence>/<chunk>   value: Arrow IPC of changed rows, empty if none changed; null: outlived
    key p/<start>/<end>        value: Arrow IPC of the live rows of that range: a page, or where its texts are long
                               a half of one, a quarter, …; null: written in other pieces since
    header segment             JSON: see `Header`
"""

import io
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import polars as pl

from consumer.clock import Millis
from consumer.detect import segments
from consumer.detect.brake import NONE_SO_FAR, Verdicts
from consumer.detect.rules import Rules
from consumer.detect.table import Table

FORMAT = 1
LARGEST = 900_000
"""Bytes of one segment: under a broker's default message limit of 1,048,588 with room for key and headers."""

_LEAST_ROWS = 1024
"""Of the longest user ids (255 bytes) and actions (128 characters) that are let in, these take 900 kB."""

_LEAST_PAGES = 1
_PAGES_PER_DELTA = 0.25
"""Rows rewritten for each row changed: while all pages are rewritten once, deltas of four tables pile up."""


@dataclass(frozen=True, slots=True)
class Message:
    """A record for the state topic."""

    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What each segment says of itself. `offset` is the next input offset to read, `clock` the partition's clock,
    `chunks` how many pieces the delta of this commit has, `pages` how many pages the table has, `processes` the names
    behind the numbers in its rows, `verdicts` what is held against the partition's input."""

    version: int = FORMAT
    group: str
    sequence: int
    offset: int
    clock: Millis | None
    chunks: int
    pages: int
    processes: Sequence[str]
    ladders: Mapping[str, Sequence[Millis]]
    verdicts: Verdicts = NONE_SO_FAR

    def encode(self) -> list[tuple[str, bytes]]:
        return [("segment", json.dumps(asdict(self), separators=(",", ":")).encode())]


class Writer:
    """Remembers what the topic holds, and says what the next commit adds to it."""

    def __init__(self, group: str, ladders: Mapping[str, Sequence[Millis]]) -> None:
        self._group = group
        self._ladders = {name: list(ladder) for name, ladder in ladders.items()}
        self.sequence = 0
        self.written: list[int] = []
        """For each page the sequence at which it was last written."""
        self.pieces: dict[int, set[bytes]] = {}
        """For each page the keys under which it stands."""
        self.deltas: deque[tuple[int, int]] = deque()
        """Deltas not tombstoned yet, oldest first: sequence and number of chunks."""

    def commit(
        self, table: Table, offset: int, clock: Millis | None, verdicts: Verdicts = NONE_SO_FAR
    ) -> list[Message]:
        """The messages of one commit. They must be produced before the next call."""
        self.sequence += 1
        changed = segments.take_changes(table)
        # A table that shrank still has its pages, written empty: what was in them must not come back.
        pages = max(segments.pages(table), len(self.written))
        self.written += [0] * (pages - len(self.written))
        chunks = list(_chunks(changed))
        headers = Header(
            group=self._group,
            sequence=self.sequence,
            offset=offset,
            clock=clock,
            chunks=len(chunks),
            pages=pages,
            processes=table.processes.names,
            ladders=self._ladders,
            verdicts=verdicts,
        ).encode()
        self.deltas.append((self.sequence, len(chunks)))
        messages = [Message(_delta_key(self.sequence, i), chunk, headers) for i, chunk in enumerate(chunks)]
        for page in self._pages_to_write(changed.height):
            messages += self._rewrite(table, page, headers)
        return messages + list(self._tombstones())

    def _rewrite(self, table: Table, page: int, headers: list[tuple[str, bytes]]) -> list[Message]:
        start = page * segments.PAGE
        pieces = [Message(key, value, headers) for key, value in _ranges(table, start, start + segments.PAGE)]
        keys = {piece.key for piece in pieces}
        former = self.pieces.get(page, set()) - keys
        self.pieces[page], self.written[page] = keys, self.sequence
        # The former pieces go first: a reader between the two finds a gap, never old rows behind new ones.
        return [Message(key, None, []) for key in sorted(former)] + pieces

    def _pages_to_write(self, changed: int) -> list[int]:
        wanted = max(_LEAST_PAGES, int(changed * _PAGES_PER_DELTA / segments.PAGE))
        oldest = sorted(range(len(self.written)), key=self.written.__getitem__)
        return oldest[:wanted]

    def _tombstones(self) -> Iterator[Message]:
        outlived = min(self.written, default=self.sequence)
        while self.deltas and self.deltas[0][0] <= outlived and self.deltas[0][0] < self.sequence:
            sequence, chunks = self.deltas.popleft()
            yield from (Message(_delta_key(sequence, i), None, []) for i in range(chunks))


class _Segment(NamedTuple):
    """A segment as it was read; `where` says where, should it be damaged."""

    kind: str
    number: int
    part: int
    value: bytes
    header: Header
    where: str


class Reader:
    """Takes the messages of one partition of the state topic in order, and keeps the latest of each key, as compaction
    would: what has been replaced since is never looked into. Both calls may raise `DamagedState`."""

    def __init__(self, group: str, rules: Rules) -> None:
        self._group = group
        self._rules = rules
        self._table = Table(rules)
        self._last: Header | None = None
        self._segments: dict[bytes, _Segment] = {}
        self._seen: dict[int, set[int]] = {}
        self._wanted: dict[int, int] = {}
        self._pieces: dict[int, dict[bytes, int]] = {}

    def feed(
        self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]], where: str = ""
    ) -> None:
        name, kind, number, part = key or b"", *_parse(key)
        self._segments.pop(name, None)  # so that it takes its place at the end
        if value is None:
            return
        header = self._header(headers)
        if self._last is None or header.sequence >= self._last.sequence:
            self._last = header
        self._segments[name] = _Segment(kind, number, part, value, header, where)

    def finish(self) -> "Restored | None":
        """The table and where it stands; None if the partition holds nothing."""
        if self._last is None:
            return None
        for key in list(self._segments):
            self._take(key, self._segments.pop(key))
        self._check_continuity(self._last)
        clock = self._last.clock
        segments.finish(self._table, clock or 0, self._last.ladders)
        writer = Writer(self._group, self._rules.ladders)
        writer.sequence = self._last.sequence
        writer.written = [self._written(page) for page in range(self._last.pages)]
        writer.pieces = {page: set(pieces) for page, pieces in self._pieces.items()}
        writer.deltas = deque((sequence, self._wanted[sequence]) for sequence in sorted(self._wanted))
        return Restored(self._table, writer, self._last.offset, clock, self._last.verdicts)

    def _take(self, key: bytes, segment: _Segment) -> None:
        kind, number, part, value, header, where = segment
        try:
            self._load(kind, number, part, from_bytes(value), header)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise segments.DamagedState("its columns are not those of a table", where) from error
        except segments.DamagedState as damage:
            raise segments.DamagedState(str(damage), where) from damage
        if kind == "p":
            self._pieces.setdefault(number // segments.PAGE, {})[key] = header.sequence
        else:
            self._wanted[number] = header.chunks
            self._seen.setdefault(number, set()).add(part)

    def _load(self, kind: str, number: int, part: int, frame: pl.DataFrame, header: Header) -> None:
        if kind == "p":
            segments.load_rows(self._table, number, part, frame, header.processes)
        else:
            segments.load_changes(self._table, frame, header.processes)

    def _written(self, page: int) -> int:
        """The sequence at which a page was last written: 0 unless its pieces are all there and of one commit."""
        pieces = self._pieces.get(page, {})
        rows = sum(end - start for _, start, end in map(_parse, pieces))
        return min(pieces.values()) if rows == segments.PAGE and len(set(pieces.values())) == 1 else 0

    def _header(self, headers: Sequence[tuple[str, bytes]]) -> Header:
        told = dict(headers).get("segment")
        if told is None:
            raise segments.DamagedState("a record without a segment header: not written by Lapse")
        try:
            fields = json.loads(told)
            header = Header(**{**fields, "verdicts": Verdicts(**fields.get("verdicts", {}))})
        except (ValueError, TypeError, AttributeError) as error:
            raise segments.DamagedState("its segment header cannot be read") from error
        if header.version != FORMAT:
            raise segments.DamagedState(f"its format is {header.version}; this Lapse reads {FORMAT}")
        if header.group != self._group:
            raise segments.DamagedState(f"it belongs to the group {header.group!r}, not {self._group!r}")
        return header

    def _check_continuity(self, last: Header) -> None:
        """Every delta that some page has not outlived must be there, whole."""
        oldest = min((self._written(page) for page in range(last.pages)), default=last.sequence)
        for sequence in range(min(oldest + 1, last.sequence), last.sequence + 1):
            if len(self._seen.get(sequence, ())) != self._wanted.get(sequence, 1):
                raise segments.DamagedState(f"the segment with sequence {sequence} is missing or not whole")


@dataclass(frozen=True, slots=True)
class Restored:
    """A table as the state topic had it, and the input offset and clock that belong to it."""

    table: Table
    writer: Writer
    offset: int
    clock: Millis | None
    verdicts: Verdicts


def to_bytes(frame: pl.DataFrame) -> bytes:
    """A frame as Arrow IPC; nothing at all for no rows."""
    if frame.is_empty():
        return b""
    out = io.BytesIO()
    frame.write_ipc(out, compression="zstd")
    return out.getvalue()


def from_bytes(value: bytes) -> pl.DataFrame:
    """The frame of a segment. Raises DamagedState."""
    if not value:
        return pl.DataFrame(schema={"row": pl.Int32})
    try:
        return pl.read_ipc(io.BytesIO(value))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        raise segments.DamagedState("its content is damaged") from error


def _chunks(frame: pl.DataFrame, rows: int = 4 * segments.PAGE) -> Iterator[bytes]:
    """Pieces small enough to send; at least one."""
    for piece in frame.iter_slices(rows) if frame.height else [frame]:
        encoded = to_bytes(piece)
        if len(encoded) <= LARGEST or rows <= _LEAST_ROWS:
            yield encoded
        else:
            yield from _chunks(piece, rows // 2)


def _ranges(table: Table, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of the pieces of a range that are each small enough to send."""
    encoded = to_bytes(segments.rows_between(table, start, end))
    if len(encoded) <= LARGEST or end - start <= _LEAST_ROWS:
        yield b"p/%d/%d" % (start, end), encoded
    else:
        half = (start + end) // 2
        yield from _ranges(table, start, half)
        yield from _ranges(table, half, end)


def _delta_key(sequence: int, chunk: int) -> bytes:
    return b"d/%d/%d" % (sequence, chunk)


def _parse(key: bytes | None) -> tuple[str, int, int]:
    """Of a delta its sequence and chunk, of a page's piece its first row and the one behind its last."""
    kind, *numbers = (key or b"").decode("ascii", "replace").split("/")
    if kind not in {"d", "p"} or len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        raise segments.DamagedState(f"the key {key!r} names no segment")
    return kind, int(numbers[0]), int(numbers[1])
