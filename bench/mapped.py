"""Reading events of a platform's own, mapped by `source`, beside reading our own: microseconds an event.

    python -m bench.mapped [--events N]

Each kind of mapped input is measured in turn with native input of the same format, so that both see the same machine;
`ratio` is the mapped rate over the native one. The aim is 0.5 or more.
"""

import argparse
import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np

from bench.decode import NATIVE, NOW, best, event, values
from consumer.activity.build import build_decoder
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.schemas.avro_schema import WriterSchema, parse
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import ManualClock
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.source import SourceSettings
from tests.activity.writing import framed

_TIME = {"type": "long", "logicalType": "timestamp-micros"}
_NESTED = {
    "id": "string",
    "name": "string",
    "user": ["null", {"type": "record", "name": "User", "fields": [{"name": "id", "type": "string"}]}],
    "time": _TIME,
}
_EVENTS = ["Cart Viewed", "Checkout Started", "Order Completed", "Signed Up"]
_DAY = (timedelta(days=1),)
_PROCESSES = {
    "checkout": ProcessSettings(
        action="order", remind_after=_DAY, active_on=(_EVENTS[0], _EVENTS[1]), complete_on=("Order Completed",)
    ),
    "account-setup": ProcessSettings(action="account setup", remind_after=_DAY, active_on=("Signed Up",)),
}
_MIXED = {"price": 39.9, "in_stock": True, "coupon": None, "page": "/basket"}
_NESTED_SOURCE = SourceSettings(user="user.id", time="time", event="name")
_WITH_ACTION = SourceSettings(user="user.id", time="time", event="name", action="properties.product")
_ISO = SourceSettings(user="userId", time="timestamp", event="name")
_SEGMENT = SourceSettings(format="json", user="userId", time="timestamp", event="name", action="properties.product")


def schema(fields: dict[str, Any]) -> WriterSchema:
    listed = [{"name": name, "type": kind} for name, kind in fields.items()]
    return parse(json.dumps({"type": "record", "name": "Track", "fields": listed}))


def track(number: int, names: Sequence[str]) -> dict[str, Any]:
    user = f"user-{random.randrange(500_000):06d}"
    millis = NOW - random.randrange(60_000)
    stamp = str(np.datetime64(millis, "ms"))
    return {
        "id": f"event-{number:09d}",
        "name": random.choice(names),
        "user": {"id": user},
        "time": millis * 1000,
        "timestamp": f"{stamp}Z",
        "userId": user,
        "properties": {"page": "/basket", "product": "a blue lamp", "referrer": "mail"},
    }


def shuffled(most: int, more: Mapping[str, object]) -> dict[str, object]:
    """Properties in any order: a product, these, and up to so many others."""
    some = {f"property_{n}": "value of it" for n in random.sample(range(20), random.randint(0, most))}
    found = [*some.items(), *more.items(), ("product", "a blue lamp")]
    return dict(random.sample(found, len(found)))


def decoder(source: SourceSettings, writers: Sequence[WriterSchema] = ()) -> ActivityDecoder:
    return build_decoder(source, _PROCESSES, WriterSchemas(ManualClock(), others=writers))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=20_000)
    count = arguments.parse_args().events
    random.seed(1)
    print(f"{'mapped input':46} {'bytes':>6} {'native µs':>10} {'mapped µs':>10} {'ratio':>6}")
    avro = decoded(decoder(SourceSettings()), values(NATIVE, count))
    for name, (source, batch, writer) in avro_inputs(count).items():
        report(name, avro, batch, decoder(source, [writer]))
    objects = [json.dumps(event(number)).encode() for number in range(count)]
    native = decoded(decoder(SourceSettings(format="json")), objects)
    lines = [json.dumps(track(number, _EVENTS)).encode() for number in range(count)]
    report("JSON: a Segment-like track", native, lines, decoder(_SEGMENT))


def avro_inputs(count: int) -> dict[str, tuple[SourceSettings, list[bytes], WriterSchema]]:
    nested, wide = schema(_NESTED), schema({**_NESTED, "properties": {"type": "map", "values": "string"}})
    iso = schema({"id": "string", "name": "string", "userId": "string", "timestamp": "string"})
    others = [*_EVENTS, *(f"Page {n} Viewed" for n in range(36))]

    mixed = schema({**_NESTED, "properties": {"type": "map", "values": ["null", "string", "double", "boolean"]}})

    def batch(writer: WriterSchema, names: Sequence[str] = _EVENTS) -> list[bytes]:
        return [framed(writer, track(number, names)) for number in range(count)]

    def various(writer: WriterSchema, most: int, **more: object) -> list[bytes]:
        return [
            framed(writer, {**track(number, _EVENTS), "properties": shuffled(most, more)}) for number in range(count)
        ]

    return {
        "Avro: a record in a union": (_NESTED_SOURCE, batch(nested), nested),
        "Avro: of which nine in ten concern nobody": (_NESTED_SOURCE, batch(nested, others), nested),
        "Avro: times as ISO 8601": (_ISO, batch(iso), iso),
        "Avro: the action in a map of three": (_WITH_ACTION, batch(wide), wide),
        "Avro: in a map of one to eight, in any order": (_WITH_ACTION, various(wide, 7), wide),
        "Avro: in a map of five values of several types": (_WITH_ACTION, various(mixed, 1, **_MIXED), mixed),
    }


def decoded(by: ActivityDecoder, batch: Sequence[bytes]) -> Callable[[], object]:
    return partial(by.decode, batch, np.full(len(batch), NOW), NOW)


def report(name: str, native: Callable[[], object], batch: Sequence[bytes], by: ActivityDecoder) -> None:
    assert by.decode(batch, np.full(len(batch), NOW), NOW).bad == []
    ours, mapped = best(native, decoded(by, batch), rounds=7)
    size, scale = sum(map(len, batch)) // len(batch), 1e6 / len(batch)
    print(f"{name:46} {size:6} {ours * scale:10.2f} {mapped * scale:10.2f} {ours / mapped:6.2f}")


if __name__ == "__main__":
    main()
