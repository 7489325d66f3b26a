"""Catching up with events of a platform's own, mapped by `source`, beside catching up with ours: all of detect's work.

    python -m bench.mapped_detect [--events 2000000] [--users 268000] [--rounds 3]

The same activities are on both topics, and the rounds take turns. A mapped event is a track with a map of five
properties of several types, one of which is the action, which is what costs most to read (`bench.mapped`).
"""

import argparse
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.detect import PARTITIONS, catch_up, compare, rate, settings_for
from bench.events import KINDS, PROCESSES, events, fill, text, varint
from consumer import log
from consumer.activity.schemas.avro_schema import parse, single_object_header
from consumer.clock import SystemClock
from consumer.config.sections.service import LogSettings
from consumer.config.settings import Settings
from tests.broker.find import running_kafka
from tests.broker.topics import fresh_name

_USER = {"type": "record", "name": "User", "fields": [{"name": "id", "type": "string"}]}
_FIELDS = {
    "id": "string",
    "name": "string",
    "user": ["null", _USER],
    "time": {"type": "long", "logicalType": "timestamp-micros"},
    "properties": {"type": "map", "values": ["null", "string", "double", "boolean"]},
}
_LISTED = [{"name": name, "type": kind} for name, kind in _FIELDS.items()]
_SCHEMA = json.dumps({"type": "record", "name": "Track", "fields": _LISTED})
_WORDS = ("Started", "Continued", "Completed", "Cancelled")  # in the order of our kinds


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--events", type=int, default=2_000_000)
    arguments.add_argument("--users", type=int, default=268_000)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    log.configure(LogSettings(level="warning"))
    with running_kafka() as bootstrap, tempfile.TemporaryDirectory() as folder:
        schema = Path(folder, "track.avsc")
        schema.write_text(_SCHEMA)
        ours, theirs = fresh_name("activity"), fresh_name("tracks")
        start = SystemClock().now() - asked.events
        fill(bootstrap, ours, PARTITIONS, events(asked.events, asked.users, start))
        fill(bootstrap, theirs, PARTITIONS, tracks(asked.events, asked.users, start))
        rounds = [
            (
                rate("ours", asked.events, lambda: catch_up(settings_for(bootstrap, ours, "avro"))),
                rate("mapped", asked.events, lambda: catch_up(_mapped(bootstrap, theirs, schema))),
            )
            for _ in range(asked.rounds)
        ]
    native, mapped = zip(*rounds, strict=True)
    compare("mapped / ours", mapped, native)


def _mapped(bootstrap: str, topic: str, schema: Path) -> Settings:
    given = settings_for(bootstrap, topic, "avro").model_dump()
    given["source"] |= {"schemas": [schema], "user": "user.id", "time": "time", "event": "name"}
    given["source"]["action"] = "properties.product"
    for process in PROCESSES:
        started, went_on, completed, cancelled = (_name(process, word) for word in _WORDS)
        names = {"active_on": [started, went_on], "complete_on": [completed], "cancel_on": [cancelled]}
        given["processes"][process] |= names
    return Settings.model_validate(given)


def _name(process: str, word: str) -> str:
    return f"{process.title()} {word}"


def tracks(count: int, users: int, start: int, seed: int = 1) -> Iterator[tuple[bytes, bytes]]:
    """What `events` makes, as tracks."""
    chance = random.Random(seed)
    header = single_object_header(parse(_SCHEMA))
    names = [[text(_name(process, _WORDS[kind])) for kind in KINDS] for process in PROCESSES]
    products = [None, None, None, "your passport"]
    mixed = [_entries(chance, chance.choice(products)) for _ in range(1_000)]
    for n in range(count):
        who = chance.randrange(users)
        user = f"user-{who:07d}"
        named, when = chance.choice(names[who % 3]), varint((start + n) * 1000)
        whole = (header, text(f"e{n:09d}"), named, varint(1), text(user), when, chance.choice(mixed))
        yield user.encode(), b"".join(whole)


def _entries(chance: random.Random, product: str | None) -> bytes:
    """A map of five, in any order."""
    price, in_stock = varint(2) + bytes(8), varint(3) + b"\x01"
    said = varint(0) if product is None else varint(1) + text(product)
    pages = varint(1) + text("/basket")
    found = {"price": price, "in_stock": in_stock, "coupon": varint(0), "page": pages, "product": said}
    entries = [text(key) + found[key] for key in chance.sample(sorted(found), len(found))]
    return varint(len(entries)) + b"".join(entries) + varint(0)


if __name__ == "__main__":
    main()
