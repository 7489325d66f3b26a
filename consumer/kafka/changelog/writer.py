"""The state topic of one partition: what each commit writes. (`reader.py` restores the table from it.)

Every commit writes one delta (the rows that changed) under its sequence number and rewrites some pages of rows, the
oldest first. A delta that is older than every page is tombstoned in the same transaction, so the topic stays as large
as a few tables, no commit ever writes a whole table, and compaction may run at any time.

    key d/<sequence>/<chunk>   value: changed rows, empty if none changed; null: no longer needed
    key p/<start>/<end>        value: the live rows of that range: a page, or where its texts are long a half of one, a
                               quarter, …; null: since written in other pieces
    rows                       one frame (`detect/snapshot.py`) as an Arrow IPC stream, its columns compressed by zstd
    headers                    see `segment_header.py`
"""

import io
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

from consumer.clock import Millis
from consumer.detect import snapshot
from consumer.detect.brake import NO_BRAKE_STATE, BrakeState
from consumer.detect.table import Table
from consumer.kafka.changelog.lineage import Lineage
from consumer.kafka.changelog.segment_header import Seal, SegmentHeader

MAX_SEGMENT_BYTES = 900_000
"""One segment: under a broker's default message limit of 1,048,588 with room for key and headers."""

_MIN_ROWS = 1024
"""With the longest user ids (255 bytes) and actions (128 characters) so many rows take 900 kB."""

_MIN_PAGES = 1
_PAGES_PER_DELTA = 0.25
"""Rows rewritten for each row changed: by the time all pages are rewritten, deltas of four tables have piled up."""


class ChangelogRecord(NamedTuple):
    """One record of the state topic."""

    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]


class ChangelogWriter:
    """Knows what the topic holds, and builds what the next commit adds to it."""

    def __init__(self, group: str, lineage: Lineage, seal: Seal | None = None) -> None:
        """`seal` is of the partition; without a key unless given."""
        self._group = group
        self._seal = seal or Seal()
        self.lineage = lineage
        """To be written with the next segments."""
        self.sequence = 0
        self.written: list[int] = []
        """For each page the sequence at which it was last written."""
        self.pieces: dict[int, set[bytes]] = {}
        """For each page the keys of its pieces."""
        self.deltas: deque[tuple[int, int]] = deque()
        """Deltas not tombstoned yet, oldest first: sequence and number of chunks."""

    def build_segments(
        self, table: Table, offset: int, watermark: Millis | None, brake_state: BrakeState = NO_BRAKE_STATE
    ) -> list[ChangelogRecord]:
        """Return the records of one commit. They must be produced before the next call."""
        self.sequence += 1
        changed = snapshot.take_changes(table)
        # A table that shrank keeps its pages, written empty, so that their old rows do not come back.
        pages = max(snapshot.pages(table), len(self.written))
        self.written += [0] * (pages - len(self.written))
        chunks = list(_chunks(changed))
        header = SegmentHeader(
            group=self._group,
            sequence=self.sequence,
            offset=offset,
            watermark=watermark,
            chunks=len(chunks),
            pages=pages,
            processes=table.processes.names,
            lineage=self.lineage,
            brake_state=brake_state,
        ).encode()
        self.deltas.append((self.sequence, len(chunks)))
        messages = [self._segment(_delta_key(self.sequence, i), chunk, header) for i, chunk in enumerate(chunks)]
        pages_to_write = self._pages_to_write(changed.height)
        for page, frame in zip(pages_to_write, snapshot.read_pages(table, pages_to_write), strict=True):
            messages += self._rewrite(page, frame, header)
        return messages + list(self._tombstones())

    def _segment(self, key: bytes, value: bytes, header: bytes) -> ChangelogRecord:
        return ChangelogRecord(key, value, self._seal.headers(key, header, value))

    def _rewrite(self, page: int, frame: pl.DataFrame, header: bytes) -> list[ChangelogRecord]:
        start = page * snapshot.PAGE
        pieces = [self._segment(key, value, header) for key, value in _ranges(frame, start, start + snapshot.PAGE)]
        keys = {piece.key for piece in pieces}
        former = self.pieces.get(page, set()) - keys
        self.pieces[page], self.written[page] = keys, self.sequence
        # Former pieces are deleted first: a reader between the two finds a gap, never old rows behind new ones.
        return [ChangelogRecord(key, None, []) for key in sorted(former)] + pieces

    def _pages_to_write(self, changed: int) -> list[int]:
        wanted = max(_MIN_PAGES, int(changed * _PAGES_PER_DELTA / snapshot.PAGE))
        oldest = sorted(range(len(self.written)), key=self.written.__getitem__)
        return oldest[:wanted]

    def _tombstones(self) -> Iterator[ChangelogRecord]:
        outlived = min(self.written, default=self.sequence)
        while self.deltas and self.deltas[0][0] <= outlived and self.deltas[0][0] < self.sequence:
            sequence, chunks = self.deltas.popleft()
            yield from (ChangelogRecord(_delta_key(sequence, i), None, []) for i in range(chunks))


def to_bytes(frame: pl.DataFrame) -> bytes:
    """Return a frame as an Arrow IPC stream; no bytes for no rows.

    (Polars writes the file format by way of its streaming engine, which takes half as long again, and of a hundred rows
    six times as long.)
    """
    if frame.is_empty():
        return b""
    out = io.BytesIO()
    frame.write_ipc_stream(out, compression="zstd")
    return out.getvalue()


def _chunks(frame: pl.DataFrame, rows: int = 4 * snapshot.PAGE) -> Iterator[bytes]:
    """Yield pieces small enough to send; at least one."""
    for piece in frame.iter_slices(rows) if frame.height else [frame]:
        encoded = to_bytes(piece)
        if len(encoded) <= MAX_SEGMENT_BYTES or rows <= _MIN_ROWS:
            yield encoded
        else:
            yield from _chunks(piece, rows // 2)


def _ranges(frame: pl.DataFrame, start: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values of pieces of a range, each small enough to send; `frame` has its live rows."""
    encoded = to_bytes(frame)
    if len(encoded) <= MAX_SEGMENT_BYTES or end - start <= _MIN_ROWS:
        yield b"p/%d/%d" % (start, end), encoded
    else:
        half = (start + end) // 2
        before = int(frame["row"].search_sorted(half))
        yield from _ranges(frame[:before], start, half)
        yield from _ranges(frame[before:], half, end)


def _delta_key(sequence: int, chunk: int) -> bytes:
    return b"d/%d/%d" % (sequence, chunk)


def parse_key(key: bytes | None) -> tuple[str, int, int]:
    """Return the kind of a key and its numbers: sequence and chunk of a delta, first row and end of a page's piece.

    Raises DamagedState.
    """
    kind, *numbers = (key or b"").decode("ascii", "replace").split("/")
    if kind not in {"d", "p"} or len(numbers) != 2 or not all(n.isdigit() and len(n) < 19 for n in numbers):
        raise snapshot.DamagedState(f"the key {(key or b'')[:100]!r} names no segment")
    return kind, int(numbers[0]), int(numbers[1])
