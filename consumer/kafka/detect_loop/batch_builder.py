"""What one poll returned: a few arrays and lists instead of many message objects."""

from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import confluent_kafka
import numpy as np
import numpy.typing as npt

from consumer.activity.record_metadata import Headers
from consumer.byte_columns.column import ByteColumn

Message: TypeAlias = Any
"""confluent_kafka's, whose fields may all be None by their types; where there is no error, none is."""
Longs: TypeAlias = npt.NDArray[np.int64]

_second = itemgetter(1)
_Message: Any = confluent_kafka.Message
"""Its methods are called by the ten thousand, which is faster from here than from each object."""


class Records(NamedTuple):
    """Columns of equal length; `timestamps` are milliseconds since the epoch, -1 where unknown. `headers` are empty
    where nobody needs them."""

    offsets: Longs
    timestamps: Longs
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers] = ()


Piece: TypeAlias = tuple[Records, int, int]
"""The records from one row to before another."""


class PartitionRows(NamedTuple):
    """The rows of one partition in a batch, from `start` to before `stop`."""

    partition: int
    start: int
    stop: int


class RecordBatch:
    """Records of any partitions: one partition's after the other's, and each one's in order."""

    def __init__(self, pieces: Mapping[int, Sequence[Piece]], end_positions: Mapping[int, int]) -> None:
        """`pieces` and `end_positions` are by partition."""
        self.records = _concatenated([piece for each in pieces.values() for piece in each])
        self.spans: list[PartitionRows] = []
        self.end_positions = end_positions
        """Where the consumer reached the end of a partition."""
        stop = 0
        for partition, each in pieces.items():
            start, stop = stop, stop + sum(end - begin for _, begin, end in each)
            self.spans.append(PartitionRows(partition, start, stop))

    def __len__(self) -> int:
        return self.records.offsets.size

    def unread(self, positions: Mapping[int, int]) -> "RecordBatch":
        """Return the records at or behind these partitions' positions: after a seek some may come twice."""
        unread: dict[int, Sequence[Piece]] = {}
        for partition, start, stop in self.spans:
            if partition in positions:
                wanted = self.records.offsets[start:stop] >= positions[partition]
                unread[partition] = [(self.records, start + a, start + b) for kept, a, b in _runs(wanted) if kept]
        if sum(b - a for each in unread.values() for _, a, b in each) == len(self):
            return self
        return RecordBatch(unread, self.end_positions)

    def only(self, partitions: Container[int]) -> "RecordBatch":
        """Return the records of these partitions."""
        pieces = {span.partition: [(self.records, span.start, span.stop)] for span in self.spans}
        return RecordBatch({n: each for n, each in pieces.items() if n in partitions}, self.end_positions)


class BatchBuilder:
    """Collects what the consumer returns, a few hundred messages at a time.

    The fields of a message are read while it is still in the processor's cache, and the object is let go. Reading
    50,000 objects later would cost more than to fetch them from the broker.
    """

    def __init__(self, *, reads_headers: bool = False) -> None:
        self._reads_headers = reads_headers
        self._pieces: dict[int, list[Piece]] = {}
        self.end_positions: dict[int, int] = {}
        self.count = 0

    def add(self, messages: Sequence[Message]) -> None:
        """Append messages that have no error."""
        if not messages:
            return
        count = len(messages)
        partitions = np.fromiter(map(_Message.partition, messages), np.int64, count)
        records = Records(
            np.fromiter(map(_Message.offset, messages), np.int64, count),
            np.fromiter(map(_second, map(_Message.timestamp, messages)), np.int64, count),
            list(map(_Message.key, messages)),
            list(map(_Message.value, messages)),
            list(map(_Message.headers, messages)) if self._reads_headers else (),
        )
        self.add_records(partitions, records)

    def add_records(self, partitions: Longs, records: Records) -> None:
        """Append records, each of one of these partitions."""
        self.count += partitions.size
        for partition, start, stop in _runs(partitions):
            self._pieces.setdefault(partition, []).append((records, start, stop))

    def drop(self, partitions: Sequence[int]) -> None:
        """Forget partitions that are no longer ours. If they are assigned again, they are read again."""
        for partition in partitions:
            self._pieces.pop(partition, None)
            self.end_positions.pop(partition, None)

    def build(self) -> RecordBatch:
        return RecordBatch(self._pieces, self.end_positions)


def _runs(values: npt.NDArray[Any]) -> Iterator[tuple[int, int, int]]:
    """Yield each run of equal values: the value, the row where it starts, and the row behind it."""
    starts = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), values.size]
    for start, stop in pairwise(starts):
        if start < stop:
            yield int(values[start]), start, stop


def _concatenated(pieces: Sequence[Piece]) -> Records:
    if not pieces:
        return Records(np.empty(0, np.int64), np.empty(0, np.int64), [], [])
    if len(pieces) == 1:
        records, start, stop = pieces[0]
        offsets, timestamps, keys, values, headers = records
        rows = slice(start, stop)
        return Records(offsets[rows], timestamps[rows], keys[rows], values[rows], headers[rows])
    return Records(
        np.concatenate([records.offsets[start:stop] for records, start, stop in pieces]),
        np.concatenate([records.timestamps[start:stop] for records, start, stop in pieces]),
        _joined([records.keys[start:stop] for records, start, stop in pieces]),
        _joined([records.values[start:stop] for records, start, stop in pieces]),
        [headers for records, start, stop in pieces for headers in records.headers[start:stop]],
    )


def _joined(parts: Sequence[Sequence[bytes | None]]) -> Sequence[bytes | None]:
    columns = [part for part in parts if isinstance(part, ByteColumn)]
    if len(columns) == len(parts):
        return ByteColumn.concatenated(columns)
    return [one for part in parts for one in part]
