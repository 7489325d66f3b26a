"""Decodes a batch without cutting out its texts, but for the few records that are odd. It needs numba, which is
optional.

Ordinary records have short texts and a possible time. What is wrong with any other is judged by `decoder.py`,
which reads those alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from consumer.activity.avro.batch_reader import AvroReader, FoundFields
from consumer.activity.avro.cursor import ABSENT, Longs, Verdict
from consumer.activity.decoder import (
    MAX_ACTION_CHARS,
    MAX_USER_ID_BYTES,
    ActivityDecoder,
    Decoded,
    Times,
    recorded_times,
)
from consumer.byte_columns.compiled_texts import compile_loops, count_characters
from consumer.byte_columns.text_spans import TextSpans
from consumer.clock import Millis

_TEXTS = ("user_id", "process", "action")


class OrdinaryRows(NamedTuple):
    """A row for each ordinary record: their positions in the batch, rising, and columns as those of `Decoded`."""

    indices: Longs
    users: TextSpans
    processes: TextSpans
    endings: npt.NDArray[np.uint8]
    actions: TextSpans
    occurred_at: Times
    written_at: Times
    skew: Times


class ColumnDecoder:
    """Reads with `avro`, and odd records as `decoder` does, which must have no mapping and need no metadata."""

    def __init__(self, avro: AvroReader, decoder: ActivityDecoder) -> None:
        compile_loops()  # now, so that no batch waits for it
        self._avro = avro
        self._decoder = decoder

    def decode(
        self, values: Sequence[bytes | None], timestamps: Times, now: Millis
    ) -> tuple[OrdinaryRows | None, Decoded]:
        """Decode a batch: return the ordinary rows, if there are some, and the odd ones in `frame` and `skew` of
        Decoded, whose other fields are of all. Raises RegistryUnavailable."""
        found = self._avro.find_fields(values)
        recorded = recorded_times(timestamps, now)
        index = self._ordinary(found, recorded, now)
        if not index.size:
            return None, self._decoder.decode_rows(self._avro.rows_of(found), timestamps, now)
        rows = slice(None) if index.size == recorded.size else index  # slices need no copy
        numbers, recorded = found.sheet.numbers, recorded[rows]
        occurred = numbers["occurred_at"][rows]
        occurred_at = self._decoder.set_back(occurred, recorded, now)
        users, processes, actions = (_texts(found, name).gather(rows) for name in _TEXTS)
        endings = numbers["ending"][rows].astype(np.uint8)
        times = occurred_at, np.minimum(recorded, now), recorded - occurred
        ordinary = OrdinaryRows(index, users, processes, endings, actions, *times)
        found.sheet.verdict[index] = Verdict.SKIPPED
        odd = self._decoder.decode_rows(self._avro.rows_of(found), timestamps, now)
        counts = index.size, int(np.count_nonzero(actions.starts >= 0))
        return ordinary, _with_counts(odd, *counts, clamped=int(np.count_nonzero(occurred > occurred_at)))

    def _ordinary(self, found: FoundFields, recorded: Times, now: Millis) -> Longs:
        """Return which rows are ordinary."""
        sheet = found.sheet
        if not {"occurred_at", "ending"} <= sheet.numbers.keys():
            return np.empty(0, np.int64)
        users, processes, actions = [_texts(found, name) for name in _TEXTS]
        fits = (sheet.verdict == Verdict.OK) & (sheet.numbers["ending"] != ABSENT)
        fits &= self._decoder.are_possible(sheet.numbers["occurred_at"], recorded, now)
        fits &= (users.starts >= 0) & (users.lengths > 0) & (users.lengths <= MAX_USER_ID_BYTES)
        fits &= (processes.starts >= 0) & (processes.lengths > 0)
        if "action" in sheet.symbols:  # what is no text may be one
            fits &= actions.starts >= 0
        index = np.flatnonzero(fits)  # where others' texts lie is not to be relied on
        for each in (users, processes):
            index = index[count_characters(each.gather(index)) >= 0]
        characters = count_characters(actions.gather(index))
        return index[(characters >= 0) & (characters <= MAX_ACTION_CHARS)]


def _texts(found: FoundFields, name: str) -> TextSpans:
    sheet, data = found.sheet, found.batch.data
    if name in sheet.starts:
        return TextSpans(data, sheet.starts[name], sheet.lengths[name])
    return TextSpans(data, np.full(sheet.verdict.size, -1), np.zeros(sheet.verdict.size, np.int64))


def _with_counts(odd: Decoded, rows: int, actions: int, *, clamped: int) -> Decoded:
    """Return counts of all rows, of which so many are ordinary."""
    present = {key: count + (actions if key == "action" else rows) for key, count in odd.present.items()}
    return replace(odd, clamped=odd.clamped + clamped, read=odd.read + rows, present=present)
