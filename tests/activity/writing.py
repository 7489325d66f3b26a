"""Values as producers write them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
from fastavro import schemaless_writer

from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.build import build_decoder
from consumer.activity.column_decoder import ColumnDecoder, OrdinaryRows
from consumer.activity.decoder import ActivityDecoder, Decoded
from consumer.activity.record_metadata import Headers, Metadata
from consumer.activity.schemas.avro_schema import WriterSchema, parse, single_object_header
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import ManualClock, Millis
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.source import SourceSettings

NOON: Millis = 1_790_000_000_000

MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
KIND = {"type": "enum", "name": "Kind", "symbols": ["STARTED", "PROGRESSED", "COMPLETED", "CANCELLED"]}

FIELDS: Mapping[str, Any] = {
    "event_id": "string",
    "user_id": "string",
    "process": "string",
    "kind": KIND,
    "action": ["null", "string"],
    "occurred_at": MILLIS,
}


def record(fields: Mapping[str, Any], name: str = "Event") -> WriterSchema:
    """A writer's schema with these fields, in this order."""
    return parse(
        json.dumps({"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields.items()]})
    )


def event(**changes: Any) -> dict[str, Any]:
    ordinary = {"event_id": "e1", "user_id": "ann", "process": "checkout", "kind": "STARTED", "action": None}
    return {**ordinary, "occurred_at": NOON, **changes}


def body(writer: WriterSchema, datum: Mapping[str, Any]) -> bytes:
    out = BytesIO()
    schemaless_writer(out, writer.bare, dict(datum))
    return out.getvalue()


def framed(writer: WriterSchema, datum: Mapping[str, Any]) -> bytes:
    """In single-object encoding."""
    return single_object_header(writer) + body(writer, datum)


def decode(writers: Sequence[WriterSchema], values: Sequence[bytes | None], **given: Any) -> Decoded:
    """By a decoder that knows these writers, which tells the same by columns; records are as old as `timestamps` say,
    otherwise of `now`."""
    avro = AvroReader(WriterSchemas(ManualClock(), others=writers))
    decoder, now = ActivityDecoder(avro), given.get("now", NOON)
    timestamps = np.array(given.get("timestamps", [now] * len(values)), np.int64)
    decoded = decoder.decode(values, timestamps, now)
    check_same(decoded, *ColumnDecoder(avro, decoder).decode(values, timestamps, now))
    return decoded


def check_same(decoded: Decoded, ordinary: OrdinaryRows | None, odd: Decoded) -> None:
    """Check that what was decoded at once was decoded by columns."""
    indices = np.empty(0, np.int64) if ordinary is None else ordinary.indices
    found, skew = odd.frame, odd.skew
    if ordinary is not None:
        columns = {"index": indices, "user_id": ordinary.users.cut(), "process": ordinary.processes.cut()}
        columns |= {"ending": ordinary.endings, "action": ordinary.actions.cut()}
        columns |= {"occurred_at": ordinary.occurred_at, "written_at": ordinary.written_at}
        frame = pl.DataFrame(columns, schema_overrides={"index": pl.UInt32})
        found, skew = pl.concat([frame.select(found.columns), found]), np.concatenate([ordinary.skew, skew])
    order = np.argsort(found["index"].to_numpy())
    assert found[order].equals(decoded.frame)
    assert found.schema == decoded.frame.schema
    assert skew[order].tolist() == decoded.skew.tolist()
    assert replace(odd, frame=decoded.frame, skew=decoded.skew) == decoded
    assert set(indices.tolist()).isdisjoint(odd.frame["index"].to_list())


def own_events(
    source: SourceSettings, processes: Mapping[str, ProcessSettings], writers: Sequence[WriterSchema] = ()
) -> ActivityDecoder:
    """A decoder of a platform's own events, as its configuration has them."""
    return build_decoder(source, processes, WriterSchemas(ManualClock(), others=writers))


def process(**events: Any) -> ProcessSettings:
    return ProcessSettings(action="something", remind_after=(timedelta(days=1),), **events)


def at_noon(
    decoder: ActivityDecoder,
    values: Sequence[bytes | None],
    keys: Sequence[bytes | None] = (),
    headers: Sequence[Headers] = (),
) -> Decoded:
    return decoder.decode(values, np.full(len(values), NOON), NOON, Metadata(keys, headers))


def rows(decoded: Decoded) -> list[tuple[Any, ...]]:
    """Without their index."""
    return decoded.frame.drop("index", "written_at").rows()


def reasons(decoded: Decoded) -> dict[int, str]:
    return {bad.index: bad.reason for bad in decoded.bad}


def users(decoded: Decoded) -> list[str]:
    return decoded.frame["user_id"].to_list()
