"""One record that cannot be handled does not stop the others: it is found by halving its batch."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from consumer.activity.errors import BadRecord
from consumer.records import Received

T = TypeVar("T")


class BatchRefused(Exception):
    """The handler can never take this batch, because of what is in it. The text says why, without quoting it."""


def handle_isolating(
    handle: Callable[[Sequence[Received[T]]], None], batch: Sequence[Received[T]]
) -> list[tuple[Received[T], BadRecord]]:
    """Hand over the batch in order, in halves where it is refused. Returns the records that are refused alone."""
    try:
        handle(batch)
    except BatchRefused as error:
        if len(batch) == 1:
            return [(batch[0], BadRecord("not_storable", f"the ledger refuses what is in it: {error}"))]
        half = len(batch) // 2
        return [*handle_isolating(handle, batch[:half]), *handle_isolating(handle, batch[half:])]
    return []
