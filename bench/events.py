"""A topic full of activities, made fast: Avro by hand, about 75 bytes an event."""

import random
from collections.abc import Iterator
from itertools import islice

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from consumer.activity.schemas.avro_schema import own, single_object_header
from consumer.clock import HOUR
from consumer.records import ActivityKind, UserActivity

PROCESSES = ("account-setup", "checkout", "document-upload")
LAPSING = "quick-quote"
"""A process with one rung of half an hour."""
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


def lapsing_events(
    count: int, users: int, share: float, now: int, seed: int = 1
) -> tuple[Iterator[tuple[bytes, bytes, int]], Iterator[tuple[bytes, bytes, int]]]:
    """Two halves of `count` activities, each as key, framed value and timestamp; a third as many returns and endings
    of the second half as lapses of the first.

    In the first half `share` of all activities are starts of an hour ago, each of another user, which lapse once it is
    read. In the second half a third of those users are active again and another third complete. The others are
    activities of `users` people in the minutes before `now`.
    """
    chance, header = random.Random(seed), single_object_header(own(UserActivity))
    lapses, half = int(count * share), count // 2

    def event(number: int, name: str, process: str, kind: int, at: int) -> tuple[bytes, bytes, int]:
        fields = (text(f"e{number:09d}"), text(name), text(process), varint(kind), varint(0), varint(at))
        return name.encode(), header + b"".join(fields), at

    def mixed(special: Iterator[tuple[bytes, bytes, int]], size: int, rest: int) -> Iterator[tuple[bytes, bytes, int]]:
        for number in range(size + rest):
            if size and chance.random() * (size + rest - number) < size:
                size -= 1
                yield next(special)
            else:
                rest -= 1
                who = chance.randrange(users)
                yield event(number, f"user-{who:07d}", PROCESSES[who % 3], chance.choice(KINDS), now - rest // 1000)

    starts = (event(n, f"lapser-{n:07d}", LAPSING, 0, now - HOUR + n // 1000) for n in range(lapses))
    third = lapses // 3
    more = [(2 * n, 1) for n in range(third)] + [(2 * n + 1, 2) for n in range(third)]
    chance.shuffle(more)
    ends = (event(n, f"lapser-{n:07d}", LAPSING, kind, now) for n, kind in more)
    return mixed(starts, lapses, half - lapses), mixed(ends, 2 * third, half - 2 * third)


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
    create(bootstrap, topic, partitions)
    write(bootstrap, topic, ((key, value, 0) for key, value in made))


def create(bootstrap: str, topic: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()


def write(bootstrap: str, topic: str, made: Iterator[tuple[bytes, bytes, int]]) -> None:
    """Write keys and values with their timestamps, 0 being now."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 50,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 500_000,
        }
    )
    while chunk := list(islice(made, 100_000)):
        for key, value, timestamp in chunk:
            producer.produce(topic, value, key, timestamp=timestamp)
        producer.flush()
