"""A record that we write."""

from collections.abc import Sequence
from typing import NamedTuple


class Output(NamedTuple):
    """A record to write. `partition` -1 has the client choose one by the key."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
