"""A topic full of activities, made fast: Avro by hand, about 75 bytes an event."""

import random
from collections.abc import Iterator
from itertools import islice

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from consumer.activity.schemas.avro_schema import own, single_object_header
from consumer.records import ActivityKind, UserActivity

PROCESSES = ("account-setup", "checkout", "document-upload")
KINDS = (0, 1, 1, 1, 1, 1, 1, 2, 2, 3)  # as in the schema: started, progressed, completed, cancelled


def varint(number: int) -> bytes:
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def text(written: str) -> bytes:
    encoded = written.encode()
    return varint(len(encoded)) + encoded


def events(
    count: int, users: int, start: int, seed: int = 1, *, everyone: bool = False
) -> Iterator[tuple[bytes, bytes]]:
    """Keys and framed values: `count` activities of `users` people, a millisecond apart from `start` on.

    Of anybody at any time, or of `everyone` in turn.
    """
    chance = random.Random(seed)
    header = single_object_header(own(UserActivity))
    names = [f"user-{n:07d}" for n in range(users)]
    encoded = [(name.encode(), text(name)) for name in names]
    processes = [text(name) for name in PROCESSES]
    kinds = [varint(kind) for kind in KINDS]
    actions = [varint(0)] * 3 + [varint(1) + text("your passport")]
    for n in range(count):
        who = n % users if everyone else chance.randrange(users)
        key, user = encoded[who]
        # One process for each person, so that there are as many keys as people.
        yield (
            key,
            b"".join(
                (
                    header,
                    text(f"e{n:09d}"),
                    user,
                    processes[who % 3],
                    chance.choice(kinds),
                    chance.choice(actions),
                    varint(start + n),
                )
            ),
        )


def json_events(count: int, users: int, start: int, seed: int = 1) -> Iterator[tuple[bytes, bytes]]:
    """The same activities as JSON objects."""
    chance = random.Random(seed)
    kinds = [tuple(ActivityKind)[kind] for kind in KINDS]
    for n in range(count):
        who = chance.randrange(users)
        name = f"user-{who:07d}"
        action = chance.choice(("null", "null", "null", '"your passport"'))
        said = (
            f'{{"event_id":"e{n:09d}","user_id":"{name}","process":"{PROCESSES[who % 3]}",'
            f'"kind":"{chance.choice(kinds)}","action":{action},"occurred_at":{start + n}}}'
        )
        yield name.encode(), said.encode()


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
