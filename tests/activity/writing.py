"""Values as producers write them."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from io import BytesIO
from typing import Any

import numpy as np
from fastavro import schemaless_writer

from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.build import build_decoder
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
    """By a decoder that knows these writers; records are as old as `timestamps` say, otherwise of `now`."""
    decoder = ActivityDecoder(AvroReader(WriterSchemas(ManualClock(), others=writers)))
    now: Millis = given.get("now", NOON)
    timestamps = given.get("timestamps", [now] * len(values))
    return decoder.decode(values, np.array(timestamps, np.int64), now)


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
