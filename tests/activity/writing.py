"""Values as producers write them."""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from fastavro import schemaless_writer

from consumer.activity.avro import AvroReader
from consumer.activity.avsc import WriterSchema, parse, single_object_header
from consumer.activity.decode import ActivityDecoder, Decoded
from consumer.activity.schemas import WriterSchemas
from consumer.clock import ManualClock, Millis

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


def reasons(decoded: Decoded) -> dict[int, str]:
    return {bad.index: bad.reason for bad in decoded.bad}


def users(decoded: Decoded) -> list[str]:
    return decoded.frame["user_id"].to_list()
