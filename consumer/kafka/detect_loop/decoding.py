"""Decodes a batch into activities. (`column_decoding.py` does so in another way.)"""

from typing import NamedTuple, Protocol

import polars as pl

from consumer.activity.decoder import ActivityDecoder, Decoded, Times
from consumer.activity.record_metadata import Metadata
from consumer.clock import Millis
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.row_loops import RowLoops
from consumer.detect.storage.hash_index import Rows
from consumer.kafka.detect_loop.batch_builder import Records


class DecodedBatch(NamedTuple):
    """The activities of known processes; of every row that was read its record's position in the batch, rising, and
    the skew, as in `Decoded`; and what else the decoder tells."""

    activities: ActivityBatch
    indices: Rows
    skew: Times
    decoded: Decoded


class Decoding(Protocol):
    """Decodes records; `known` are the processes whose events are applied. Raises RegistryUnavailable."""

    reads_headers: bool

    def __call__(self, records: Records, now: Millis, known: pl.Enum) -> DecodedBatch: ...


class FrameDecoding:
    """Works for any input."""

    def __init__(self, decoder: ActivityDecoder, loops: RowLoops) -> None:
        """`loops` are those of the tables."""
        self._decoder = decoder
        self._loops = loops
        self.reads_headers = decoder.reads_headers

    def __call__(self, records: Records, now: Millis, known: pl.Enum) -> DecodedBatch:
        _, timestamps, keys, values, headers = records
        decoded = self._decoder.decode(values, timestamps, now, Metadata(keys, headers))
        return decoded_batch(decoded, known, self._loops)


def decoded_batch(decoded: Decoded, known: pl.Enum, loops: RowLoops) -> DecodedBatch:
    """Return what was decoded with all rows in its frame."""
    activities = ActivityBatch.of(decoded.frame, known, loops.hash_users)
    return DecodedBatch(activities, decoded.frame["index"].to_numpy(), decoded.skew, decoded)
