"""A batch of framed Avro values to rows: all of one schema side by side, the few odd ones by themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from consumer.activity.avro.cursor import Cursor, Longs, Sheet, Verdict, Walk
from consumer.activity.avro.field_decoders import FieldDecoders
from consumer.activity.avro.schema_compiler import record_walk, schemas_at
from consumer.activity.avro.single_record import UNREADABLE, reader_of
from consumer.activity.columns import frame_of
from consumer.activity.errors import BadRecord, ValueProblem
from consumer.activity.field_paths import NATIVE, FieldPaths
from consumer.activity.row_reader import EXPECTED, Wants
from consumer.activity.rows import EMPTY, BadValue, ReadOne, Rows, rows_of, together
from consumer.activity.schemas.avro_schema import WriterSchema
from consumer.activity.schemas.framing import UNFRAMED
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.activity.value_batch import ValueBatch


@dataclass(frozen=True, slots=True)
class _Plan:
    """How values with one header are read: side by side, or where that gives up, one at a time."""

    walk: Walk
    alone: ReadOne
    header_size: int


class AvroReader:
    """Reads batches of values, each in the Confluent wire format or Avro single-object encoding, of any schema that
    has a place for what `fields` needs. Raises RegistryUnavailable, and then nothing of the batch counts as read.
    """

    def __init__(self, writers: WriterSchemas, fields: FieldPaths = NATIVE, wants: Wants | None = None) -> None:
        self._writers = writers
        self._fields = fields
        self._wants = wants
        self._leaves = FieldDecoders(fields.unit)
        self._plans: dict[bytes, _Plan | None] = {}

    def __call__(self, values: Sequence[bytes | None]) -> Rows:
        batch = ValueBatch(values)
        sheet = Sheet(len(values))
        bad = _set_aside(sheet, np.flatnonzero(batch.lengths == 0), EMPTY)
        walked: list[tuple[_Plan, Longs]] = []
        ignored = 0
        for header, rows in batch.groups():
            try:
                plan = self._plan(header)
            except BadRecord as problem:
                bad += _set_aside(sheet, rows, ValueProblem(problem.reason, problem.error))
                continue
            if plan is None:
                sheet.verdict[rows] = Verdict.ASIDE
                ignored += rows.size
            else:
                plan.walk(Cursor(sheet, batch.data, rows, batch.starts[rows] + plan.header_size, batch.ends[rows]))
                walked.append((plan, rows))
        frame = frame_of(batch.joined, sheet, self._fields, self._leaves.symbols)
        bad += [BadValue(index, *UNREADABLE) for index in _those(sheet, Verdict.UNREADABLE)]
        return together(Rows(frame, bad, ignored), self._read_alone(values, sheet, walked))

    def _read_alone(
        self, values: Sequence[bytes | None], sheet: Sheet, walked: Sequence[tuple[_Plan, Longs]]
    ) -> list[Rows]:
        if not (sheet.verdict == Verdict.ALONE).any():
            return []
        alone = [(plan, rows[sheet.verdict[rows] == Verdict.ALONE].tolist()) for plan, rows in walked]
        return [rows_of(values, indices, plan.alone, self._fields.columns) for plan, indices in alone if indices]

    def _plan(self, header: bytes | None) -> _Plan | None:
        """None for records that are no activities."""
        if header is None:
            raise BadRecord(*UNFRAMED)
        if header not in self._plans:
            self._plans[header] = self._plan_of(self._writers.find(header), len(header))
        return self._plans[header]

    def _plan_of(self, writer: WriterSchema, header_size: int) -> _Plan | None:
        if self._fields.records and not self._fields.records & _names(writer):
            return None
        self._refuse_misfits(writer)
        walk = record_walk(writer.schema, writer.named, self._fields.tree(), self._leaves)
        return _Plan(walk, reader_of(writer, header_size, self._fields, self._wants), header_size)

    def _refuse_misfits(self, writer: WriterSchema) -> None:
        """Raises BadRecord where no record of this schema could be an activity."""
        for name, path in self._fields.paths.items():
            found = schemas_at(writer.schema, writer.named, path)
            if not found and name in self._fields.needed:
                error = f"its schema lacks {'.'.join(path)}: its producer must add it, or source says where it is"
                raise BadRecord("incompatible_schema", error)
            if found and not any(self._leaves(name, schema) for schema in found):
                error = f"{'.'.join(path)} is of a type that cannot be meant: it must be {EXPECTED[name]}"
                raise BadRecord("incompatible_schema", error)


def _names(writer: WriterSchema) -> set[str]:
    """A record's full name, and its last part."""
    name = writer.schema.get("name", "") if isinstance(writer.schema, dict) else ""
    return {name, name.rpartition(".")[2]}


def _set_aside(sheet: Sheet, rows: Longs, problem: ValueProblem) -> list[BadValue]:
    sheet.verdict[rows] = Verdict.ASIDE
    return [BadValue(index, *problem) for index in rows.tolist()]


def _those(sheet: Sheet, verdict: Verdict) -> list[int]:
    return np.flatnonzero(sheet.verdict == verdict).tolist()
