"""A batch of framed Avro values to rows: all of one schema side by side, the few odd ones by themselves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from consumer.activity.alone import MISFIT, UNREADABLE, reader_of
from consumer.activity.avsc import WriterSchema
from consumer.activity.batch import Batch
from consumer.activity.columns import LEAVES, REQUIRED, blank_sheet, frame_of
from consumer.activity.errors import BadRecord, Problem
from consumer.activity.framing import UNFRAMED
from consumer.activity.rows import EMPTY, Bad, Row, Rows, rows_of
from consumer.activity.schemas import WriterSchemas
from consumer.activity.walk import Cursor, Longs, Sheet, Verdict, Walk, record_walk


@dataclass(frozen=True, slots=True)
class _Plan:
    """How values with one header are read: side by side, or where that gives up, one at a time."""

    walk: Walk
    alone: Callable[[bytes], Row]
    header_size: int


class AvroReader:
    """Reads batches of values, each in the Confluent wire format or Avro single-object encoding, of any schema that
    has the fields of an activity. Raises RegistryUnavailable, and then nothing of the batch counts as read.
    """

    def __init__(self, writers: WriterSchemas) -> None:
        self._writers = writers
        self._plans: dict[bytes, _Plan] = {}

    def __call__(self, values: Sequence[bytes | None]) -> Rows:
        batch = Batch(values)
        sheet = blank_sheet(len(values))
        bad = _set_aside(sheet, np.flatnonzero(batch.lengths == 0), EMPTY)
        odd: list[Rows] = []
        for header, rows in batch.groups():
            try:
                plan = self._plan(header)
            except BadRecord as problem:
                bad += _set_aside(sheet, rows, Problem(problem.reason, problem.error))
                continue
            plan.walk(Cursor(sheet, batch.data, rows, batch.starts[rows] + plan.header_size, batch.ends[rows]))
            alone = rows[sheet.verdict[rows] == Verdict.ALONE]
            if alone.size:
                odd.append(rows_of(values, alone.tolist(), plan.alone))
        frame = frame_of(values, batch.starts, sheet)
        bad += _judged(sheet, Verdict.UNREADABLE, UNREADABLE) + _judged(sheet, Verdict.MISFIT, MISFIT)
        return _together(Rows(frame, bad), odd)

    def _plan(self, header: bytes | None) -> _Plan:
        if header is None:
            raise BadRecord(*UNFRAMED)
        plan = self._plans.get(header)
        if plan is None:
            plan = self._plans[header] = _plan_of(self._writers.find(header), len(header))
        return plan


def _plan_of(writer: WriterSchema, header_size: int) -> _Plan:
    schema = writer.schema
    if not isinstance(schema, dict) or schema["type"] != "record":
        raise BadRecord("incompatible_schema", "its schema is not a record: an activity has fields")
    missing = set(REQUIRED) - {f["name"] for f in schema["fields"]}
    if missing:
        raise BadRecord(
            "incompatible_schema", f"its schema lacks {', '.join(sorted(missing))}: its producer must add them"
        )
    return _Plan(record_walk(schema, writer.named, LEAVES), reader_of(writer, header_size), header_size)


def _set_aside(sheet: Sheet, rows: Longs, problem: Problem) -> list[Bad]:
    sheet.verdict[rows] = Verdict.ASIDE
    return [Bad(index, *problem) for index in rows.tolist()]


def _judged(sheet: Sheet, verdict: Verdict, problem: Problem) -> list[Bad]:
    return [Bad(index, *problem) for index in np.flatnonzero(sheet.verdict == verdict).tolist()]


def _together(rows: Rows, odd: list[Rows]) -> Rows:
    if not odd:
        return rows
    frame = pl.concat([rows.frame, *(o.frame for o in odd)]).sort("index")
    return Rows(frame, rows.bad + [bad for o in odd for bad in o.bad])
