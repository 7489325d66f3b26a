"""A topic full of activities, made fast: Avro by hand, about 75 bytes an event."""

import random
from collections.abc import Iterator
from itertools import islice

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from consumer.activity.avsc import own, single_object_header
from consumer.records import UserActivity

PROCESSES = ("account-setup", "checkout", "document-upload")
_KINDS = (0, 1, 1, 1, 1, 1, 1, 2, 2, 3)  # as in the schema: started, progressed, completed, cancelled


def _varint(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _varint(len(encoded)) + encoded


def events(count: int, users: int, start: int, seed: int = 1) -> Iterator[tuple[bytes, bytes]]:
    """Keys and framed values: `count` activities of `users` people, a millisecond apart from `start` on."""
    chance = random.Random(seed)
    header = single_object_header(own(UserActivity))
    names = [f"user-{n:07d}" for n in range(users)]
    encoded = [(name.encode(), _text(name)) for name in names]
    processes = [_text(name) for name in PROCESSES]
    kinds = [_varint(kind) for kind in _KINDS]
    actions = [_varint(0)] * 3 + [_varint(1) + _text("your passport")]
    for n in range(count):
        who = chance.randrange(users)
        key, user = encoded[who]
        # One process for each person, so that there are as many keys as people.
        yield (
            key,
            b"".join(
                (
                    header,
                    _text(f"e{n:09d}"),
                    user,
                    processes[who % 3],
                    chance.choice(kinds),
                    chance.choice(actions),
                    _varint(start + n),
                )
            ),
        )


def fill(bootstrap: str, topic: str, partitions: int, made: Iterator[tuple[bytes, bytes]]) -> None:
    """Create the topic and write the events to it."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for created in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        created.result()
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 50,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 500_000,
        }
    )
    while chunk := list(islice(made, 100_000)):
        for key, value in chunk:
            producer.produce(topic, value, key)
        producer.flush()
