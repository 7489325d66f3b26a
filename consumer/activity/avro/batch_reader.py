"""Reads a batch of framed Avro values: all values of one schema together, the few unusual ones singly."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from consumer.activity.avro.cursor import Cursor, Decoder, FieldSheet, Longs, Verdict
from consumer.activity.avro.field_decoders import FieldDecoders
from consumer.activity.avro.leaf_types import Misfit, leaf_of
from consumer.activity.avro.schema_compiler import (
    JSON_TEXT,
    compile_record_decoder,
    record_name,
    resolved,
    schemas_at,
)
from consumer.activity.avro.single_record import build_single_reader
from consumer.activity.avro.value_batch import GLUE_HEADER, ValueBatch
from consumer.activity.columns import frame_of
from consumer.activity.errors import BadRecord, RegistryUnavailable, ValueProblem
from consumer.activity.field_paths import NATIVE, FieldPaths
from consumer.activity.row_reader import EXPECTED, EventFilter
from consumer.activity.rows import BadValue, Elsewhere, ReadOne, RowBatch, merge, read_singly
from consumer.activity.schemas.avro_schema import WriterSchema
from consumer.activity.schemas.framing import FOREIGN_FRAME, UNFRAMED, UNREADABLE
from consumer.activity.schemas.writer_schemas import WriterSchemas


@dataclass(frozen=True, slots=True)
class _WriterPlan:
    """How values with one header are read: together, or singly where that is not possible."""

    decode: Decoder
    read_one: ReadOne
    header_size: int


@dataclass(slots=True)
class FoundFields:
    """Values of a batch, where the fields of each lie, what is wrong with some, and how many concern no process."""

    values: Sequence[bytes | None]
    batch: ValueBatch
    sheet: FieldSheet
    plans: list[tuple[_WriterPlan, Longs]] = field(default_factory=list)
    bad: list[BadValue] = field(default_factory=list)
    ignored: int = 0


_NOTHING: Elsewhere = {}


class AvroReader:
    """Reads batches of values in the Confluent wire format or Avro single-object encoding, mixed.

    Any writer schema will do that has the fields which `fields` needs. Raises RegistryUnavailable; then nothing of the
    batch counts as read.
    """

    def __init__(self, writers: WriterSchemas, fields: FieldPaths = NATIVE, wants: EventFilter | None = None) -> None:
        self._writers = writers
        self._fields = fields
        self._is_wanted = wants
        self._field_decoders = FieldDecoders(fields.times)
        self._plans: dict[bytes, _WriterPlan | None] = {}

    def __call__(self, values: Sequence[bytes | None], elsewhere: Elsewhere = _NOTHING) -> RowBatch:
        return self.rows_of(self.find_fields(values), elsewhere)

    def find_fields(self, values: Sequence[bytes | None]) -> FoundFields:
        """Find out where the fields of each value lie."""
        batch = ValueBatch(values)
        sheet = FieldSheet(len(values))
        found = FoundFields(values, batch, sheet)
        sheet.verdict[batch.lengths == 0] = Verdict.SKIPPED
        groups = list(batch.groups())
        for header, rows in groups:
            try:
                plan = self._plan(header)
            except RegistryUnavailable:
                often_first = sorted(groups, key=lambda group: -group[1].size)
                self._writers.request(one for one, _ in often_first if one is not None)
                raise
            except BadRecord as problem:
                found.bad += _mark_bad(sheet, rows, ValueProblem(problem.reason, problem.error))
                continue
            if plan is None:
                sheet.verdict[rows] = Verdict.SKIPPED
                found.ignored += rows.size
            else:
                cursor = Cursor(sheet, batch.data, rows, batch.starts[rows] + plan.header_size, batch.ends[rows])
                try:
                    plan.decode(cursor)
                except RecursionError:  # read singly, only those are unreadable that lie so deep themselves
                    sheet.verdict[rows] = Verdict.SINGLY
                found.plans.append((plan, rows))
                if self._fields.records:  # of a union some may be left out
                    found.ignored += int(np.count_nonzero(sheet.verdict[rows] == Verdict.SKIPPED))
        return found

    def rows_of(self, found: FoundFields, elsewhere: Elsewhere = _NOTHING) -> RowBatch:
        """Return the rows of the values, but for those that are marked as skipped."""
        sheet, batch = found.sheet, found.batch
        frame = frame_of(batch.joined, sheet, self._fields, self._field_decoders.symbols)
        bad = found.bad + [BadValue(index, *UNREADABLE) for index in _rows_with(sheet, Verdict.UNREADABLE)]
        blank = int(np.count_nonzero(batch.lengths == 0))
        return merge(RowBatch(frame, bad, found.ignored, blank), self._read_singly(found, elsewhere))

    def _read_singly(self, found: FoundFields, elsewhere: Elsewhere) -> list[RowBatch]:
        verdict = found.sheet.verdict
        if not (verdict == Verdict.SINGLY).any():
            return []
        read_one = [(plan, rows[verdict[rows] == Verdict.SINGLY].tolist()) for plan, rows in found.plans]
        return [
            read_singly(found.values, elsewhere, indices, plan.read_one, self._fields.columns)
            for plan, indices in read_one
            if indices
        ]

    def _plan(self, header: bytes | None) -> _WriterPlan | None:
        """Return None for records that are no activities (see `source.records`)."""
        if header is None:
            raise BadRecord(*UNFRAMED)
        if header == GLUE_HEADER:
            raise BadRecord(*FOREIGN_FRAME)
        if header not in self._plans:
            writer = self._writers.find(header)
            try:
                self._plans[header] = self._plan_of(writer, len(header))
            except BadRecord:
                raise
            except Exception as problem:
                error = f"its schema cannot be used ({type(problem).__name__}): let its producer write plain Avro"
                raise BadRecord("incompatible_schema", error) from problem
        return self._plans[header]

    def _plan_of(self, writer: WriterSchema, header_size: int) -> _WriterPlan | None:
        if not any(map(self._fields.is_event, _record_names(writer))):
            return None
        self._refuse_incompatible(writer)
        decode = compile_record_decoder(writer, self._fields, self._field_decoders)
        return _WriterPlan(decode, build_single_reader(writer, header_size, self._fields, self._is_wanted), header_size)

    def _refuse_incompatible(self, writer: WriterSchema) -> None:
        """Raise BadRecord if no record of this schema could be an activity."""
        for name, path in self._fields.paths.items():
            found = schemas_at(writer.schema, writer.named, path)
            label = self._fields.label(name)
            if not found and name in self._fields.needed:
                error = f"its schema lacks {label}: its producer must add it, or source says where it is"
                raise BadRecord("incompatible_schema", error)
            leaves = [one for one in found if one is not JSON_TEXT]
            misfits = [leaf for one in leaves if isinstance(leaf := leaf_of(name, one, self._fields.times), Misfit)]
            if found and len(misfits) == len(found):
                error = f"{label} is {misfits[0].what}: it must be {EXPECTED[name]}"
                raise BadRecord("incompatible_schema", error)


def _record_names(writer: WriterSchema) -> list[str]:
    """Return the full names of the records that a value may be."""
    branches = writer.schema if isinstance(writer.schema, list) else [writer.schema]
    return [record_name(resolved(branch, writer.named)[0]) for branch in branches]


def _mark_bad(sheet: FieldSheet, rows: Longs, problem: ValueProblem) -> list[BadValue]:
    sheet.verdict[rows] = Verdict.SKIPPED
    return [BadValue(index, *problem) for index in rows.tolist()]


def _rows_with(sheet: FieldSheet, verdict: Verdict) -> list[int]:
    return np.flatnonzero(sheet.verdict == verdict).tolist()
