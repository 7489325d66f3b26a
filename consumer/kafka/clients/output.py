"""What we write: records, single or by the batch."""

from collections.abc import Sequence
from typing import NamedTuple

from consumer.clock import Millis


class Output(NamedTuple):
    """A record to write. `partition` -1 has the client choose one by the key; `timestamp` 0 is the time of writing."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp: Millis = 0


class OutputBatch(NamedTuple):
    """Records of one partition, each of a key and a value."""

    topic: str
    partition: int
    keys: Sequence[bytes]
    values: Sequence[bytes]
