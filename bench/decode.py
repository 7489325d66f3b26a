"""Decoding the activity topic, by the batch, beside fastavro reading one record after the other.

    python -m bench.decode [--events N]

Each line is one kind of batch: microseconds an event for both (the best of several rounds, each in turn), and how many
times faster the batch is. Lapse's figure includes framing, judging and the finished frame; fastavro's only reading each
record with its writer's schema, without resolving it, and nothing else.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
from fastavro import schemaless_reader, schemaless_writer

from consumer.activity.avro.batch_reader import AvroReader
from consumer.activity.decoder import ActivityDecoder
from consumer.activity.json_reader import JsonReader
from consumer.activity.schemas.avro_schema import WriterSchema, own, parse, single_object_header
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import ManualClock
from consumer.records import UserActivity

NOW = 1_790_000_000_000
NATIVE = own(UserActivity)


def with_properties() -> WriterSchema:
    """Our activity inside a wider event, as platforms have them."""
    fields = NATIVE.schema["fields"]
    device = {"type": "record", "name": "Device", "fields": [{"name": "os", "type": "string"}]}
    extra = {"device": ["null", device], "properties": {"type": "map", "values": "string"}, "price": "double"}
    wider = [{"name": name, "type": kind} for name, kind in extra.items()]
    return parse(json.dumps({"type": "record", "name": "Event", "fields": [*fields[:3], *wider, *fields[3:]]}))


def event(number: int) -> dict[str, Any]:
    return {
        "event_id": f"event-{number:09d}",
        "user_id": f"user-{random.randrange(500_000):06d}",
        "process": "checkout",
        "kind": random.choice(["STARTED", "PROGRESSED", "PROGRESSED", "COMPLETED"]),
        "action": None if number % 3 else "pay your order",
        "occurred_at": NOW - random.randrange(60_000),
        "device": {"os": "ios"} if number % 2 else None,
        "properties": {"page": "/basket", "referrer": "mail"},
        "price": 9.5,
    }


def values(writer: WriterSchema, count: int) -> list[bytes]:
    header = single_object_header(writer)
    made = []
    for number in range(count):
        out = BytesIO()
        out.write(header)
        schemaless_writer(out, writer.bare, event(number))
        made.append(out.getvalue())
    return made


def one_by_one(batch: Sequence[bytes], schemas: dict[bytes, Any]) -> int:
    good = 0
    for value in batch:
        body = BytesIO(value)
        schema = schemas[body.read(10)]
        try:
            schemaless_reader(body, schema)
            good += 1
        except (EOFError, IndexError):
            continue
    return good


def best(work: Callable[[], object], other: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Seconds of each, in turn, so that both see the same machine."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for task, taken in zip((work, other), times, strict=True):
            start = time.perf_counter()
            task()
            taken.append(time.perf_counter() - start)
    return min(times[0]), min(times[1])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=50_000)
    count = arguments.parse_args().events
    random.seed(1)
    wider = with_properties()
    native, wide = values(NATIVE, count), values(wider, count)
    damaged = [value[:-1] if n % 100 == 0 else value for n, value in enumerate(native)]
    mixed = [pair[n % 2] for n, pair in enumerate(zip(native, wide, strict=True))]
    schemas = {single_object_header(w): w.bare for w in (NATIVE, wider)}
    avro = ActivityDecoder(AvroReader(WriterSchemas(ManualClock(), others=[wider])))
    print(f"{'batch':34} {'bytes':>6} {'lapse µs':>9} {'fastavro µs':>12} {'ratio':>6}")
    for name, batch in {
        f"{count} uniform": native,
        "1,000 uniform": native[:1000],
        "100 uniform": native[:100],
        "1 % damaged": damaged,
        "two writers": mixed,
        "with a map, a union and a record": wide,
    }.items():
        report(name, batch, by_batch(avro, batch), partial(one_by_one, batch, schemas))
    objects = [json.dumps(event(n)).encode() for n in range(count // 10)]
    report(
        "JSON (beside json.loads)", objects, by_batch(ActivityDecoder(JsonReader()), objects), partial(parsed, objects)
    )


def by_batch(decoder: ActivityDecoder, batch: Sequence[bytes]) -> Callable[[], object]:
    stamps = np.full(len(batch), NOW)
    return lambda: decoder.decode(batch, stamps, NOW)


def parsed(objects: Sequence[bytes]) -> list[Any]:
    return [json.loads(value) for value in objects]


def report(name: str, batch: Sequence[bytes], ours: Callable[[], object], theirs: Callable[[], object]) -> None:
    mine, other = best(ours, theirs, rounds=5)
    size = sum(map(len, batch)) // len(batch)
    scale = 1e6 / len(batch)
    print(f"{name:34} {size:6} {mine * scale:9.2f} {other * scale:12.2f} {other / mine:6.1f}")


if __name__ == "__main__":
    main()
