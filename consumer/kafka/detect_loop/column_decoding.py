"""Decodes a batch into activities whose texts stay where they lie. It needs numba, which is optional."""

import numpy as np
import polars as pl

from consumer.activity.column_decoder import ColumnDecoder, OrdinaryRows
from consumer.byte_columns.compiled_texts import places_among
from consumer.byte_columns.text_spans import TextSpans
from consumer.clock import Millis
from consumer.detect.activity_batch import ActivityBatch
from consumer.detect.row_loops import RowLoops
from consumer.kafka.detect_loop.batch_builder import Records
from consumer.kafka.detect_loop.decoding import DecodedBatch, decoded_batch


class ColumnDecoding:
    """Works for input in our own schema."""

    reads_headers = False

    def __init__(self, decoder: ColumnDecoder, loops: RowLoops) -> None:
        """`loops` are those of the tables."""
        self._decoder = decoder
        self._loops = loops
        self._names: tuple[pl.Enum, TextSpans] | None = None

    def __call__(self, records: Records, now: Millis, known: pl.Enum) -> DecodedBatch:
        ordinary, decoded = self._decoder.decode(records.values, records.timestamps, now)
        if ordinary is None:
            return decoded_batch(decoded, known, self._loops)
        read = DecodedBatch(self._activities(ordinary, known), ordinary.indices, ordinary.skew, decoded)
        return _merged(read, decoded_batch(decoded, known, self._loops)) if decoded.frame.height else read

    def _activities(self, ordinary: OrdinaryRows, known: pl.Enum) -> ActivityBatch:
        if self._names is None or self._names[0] is not known:
            self._names = known, TextSpans.of(known.categories)
        codes = places_among(self._names[1], ordinary.processes)
        rows = slice(None) if (codes >= 0).all() else np.flatnonzero(codes >= 0)
        users, actions = ordinary.users.gather(rows), ordinary.actions.gather(rows)
        return ActivityBatch.of_columns(
            np.arange(codes.size)[rows],
            users,
            self._loops.hash_users(users),
            codes[rows].astype(np.uint16),
            ordinary.endings[rows],
            ordinary.occurred_at[rows],
            ordinary.written_at[rows],
            actions,
            actions.starts >= 0,
        )


def _merged(one: DecodedBatch, other: DecodedBatch) -> DecodedBatch:
    """Merge the rows of one batch, in order of their index, of which each is in one of them only."""
    index = np.concatenate([one.indices, other.indices])
    order = np.argsort(index)
    places = np.empty(index.size, np.int64)
    places[order] = np.arange(index.size)
    activities = ActivityBatch.merged(
        (one.activities, places[one.activities.indices]),
        (other.activities, places[one.indices.size + other.activities.indices]),
    )
    return DecodedBatch(activities, index[order], np.concatenate([one.skew, other.skew])[order], one.decoded)
