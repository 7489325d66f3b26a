"""A record that we write."""

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
