"""Several detect processes of one group on a real broker, a producer of activities, and a reader of `reminders`.

A step lapses after one second, and a session times out after one and a half. The transaction timeout is as usual, since
a commit may take seconds on a busy machine; it is SHORT where a test waits for it to pass.
"""

import io
import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Self

import fastavro
import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic  # type: ignore[attr-defined]

from consumer.clock import Clock
from consumer.config.settings import Settings
from consumer.kafka.clients import partition_offsets, topics
from consumer.kafka.clients.error_codes import COORDINATOR_LOADING
from consumer.web.health import PartState
from consumer.wiring import detect
from consumer.wiring.shared import Shared
from tests.app.service import Platform, eventually
from tests.broker.topics import create_topics, fresh_name
from tests.faults.member import FENCED
from tests.halting import wait_until_halted

PARTITIONS = 4
CLIENT = {
    "session.timeout.ms": 1500,
    "heartbeat.interval.ms": 250,
    "message.timeout.ms": 1500,
    "socket.timeout.ms": 1500,
}
SHORT = {"transaction_timeout_ms": 3000}
BOTH_FETCHES = pytest.mark.parametrize("world", ["messages", "columns"], indirect=True)
"""Runs a test with each `source.fetch`."""
ROOT = Path(__file__).parents[2]
_REMINDER = fastavro.schema.load_schema(str(ROOT / "schemas" / "reminder.avsc"))


class World:
    """The topics of one test, and everything that reads and writes them."""

    def __init__(self, bootstrap: str, fetch: str = "messages") -> None:
        self.bootstrap = bootstrap
        self._fetch = fetch
        self.names = fresh_name("fault")
        self.state_key: Path | None = None
        """The file of `topics.state_key`."""
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        create_topics(self.admin, [NewTopic(self.topic("activity"), PARTITIONS, 1)])
        s = self.settings("nobody")
        eventually(lambda: s.source.topic in self.admin.list_topics(timeout=60).topics, meaning="the topic is seen")
        topics.prepare(self.admin, s.topics, s.state_topic, s.source.topic)
        self.platform = Platform(bootstrap, self.names)
        self.reminders = Reminders(bootstrap, self.topic("reminders"))
        self.users: list[str] = []

    def topic(self, about: str) -> str:
        return f"{self.names}-{about}"

    def file(self, instance: str, **client: int) -> dict[str, Any]:
        """Return the contents of its lapse.yaml; `client` goes into `kafka.client`, with underscores for dots."""
        more = {name.replace("_", "."): value for name, value in client.items()}
        named = ("contacts", "reminders", "delivery_status", "opt_outs", "dead_letters", "state")
        key = {"state_key": {"file": str(self.state_key)}} if self.state_key else {}
        return {
            "kafka": {
                "bootstrap_servers": self.bootstrap,
                "group_prefix": self.names,
                "instance": instance,
                "client": {**CLIENT, **more},
            },
            "topics": {about: self.topic(about) for about in named} | key,
            "source": {"topic": self.topic("activity"), "backfill": "1d", "fetch": self._fetch},
            "processes": {"checkout": {"action": "your order", "remind_after": ["1s"]}},
            "detect": {"commit_interval": "100ms", "allowed_lateness": "100ms", "settle": "100ms"},
            "policy": {"expire_after": "1h"},
        }

    def settings(self, instance: str, **client: int) -> Settings:
        return Settings.model_validate(self.file(instance, **client))

    def member(self, instance: str, **client: int) -> "Member":
        return Member(self.settings(instance, **client))

    def member_with_clock(self, clock: Clock, instance: str) -> "Member":
        """Return a member with a clock of its own."""
        return Member(self.settings(instance), clock)

    def process(self, instance: str, *interruption: str, **client: int) -> "Process":
        """Start one that works, or is hit by a SIGNAL at a MOMENT (see member.py)."""
        return Process(self.file(instance, **client), interruption)

    def users_go_quiet(self, count: int = 12) -> list[str]:
        """Have so many new users, on all partitions, start something and then go quiet."""
        users = [f"user-{len(self.users) + n}" for n in range(count)]
        self.users += users
        for user in users:
            self.platform.says(user, "STARTED", "checkout")
        self.platform.flush()
        return users

    def partitions_by_user(self) -> dict[str, int]:
        """Return the partition of each user, also of those behind an open transaction."""
        activities = self.all_of("activity", "read_uncommitted")
        return {(message.key() or b"").decode(): message.partition() or 0 for message in activities}

    def wait_until_all_are_reminded(self, *, seconds: float = 120.0) -> None:
        """Wait until there is a reminder for every user who went quiet so far."""
        eventually(self.all_are_reminded, seconds, meaning="all are reminded")

    def all_are_reminded(self) -> bool:
        return set(self.users) <= set(self.reminders.of("DUE"))

    def assert_reminded_once_each(self) -> None:
        """Check the topic up to its end. No process that could write more may be running."""
        self.reminders.read_to_the_end(self.admin)
        assert sorted(self.reminders.of("DUE")) == sorted(self.users)

    def write_state(self, partition: int, key: bytes, value: bytes | None, *, headers: Any = None) -> None:
        """Write to the state topic as Lapse would not."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(self.topic("state"), value, key, partition, headers=headers)
        assert producer.flush(30) == 0

    def all_of(self, about: str, isolation: str = "read_committed") -> list[Message]:
        """Return all records of a topic up to now, those of a partition in order."""
        reader = TopicReader(self.bootstrap, self.topic(about), isolation)
        reader.read_to_the_end(self.admin)
        reader.close()
        return reader.messages

    def segments(self, partition: int) -> dict[bytes, Message]:
        """Return what compaction would leave of a partition of the state topic, by key."""
        latest = {message.key() or b"": message for message in self.all_of("state") if message.partition() == partition}
        return {key: message for key, message in latest.items() if message.value() is not None}

    def add_partitions(self, about: str, count: int) -> None:
        topic = self.topic(about)
        self.admin.create_partitions([NewPartitions(topic, count)])[topic].result(30)

    def delete_dead_letters_topic(self) -> None:
        """Delete their topic, and write an activity that cannot be read."""
        for gone in self.admin.delete_topics([self.topic("dead_letters")]).values():
            gone.result(30)
        self.platform.write_bytes("activity", b"nobody", b"these bytes mean nothing")

    def create_dead_letters_topic(self) -> None:
        create_topics(self.admin, [NewTopic(self.topic("dead_letters"), PARTITIONS, 1)])

    def dead_letters(self) -> list[bytes | None]:
        """Return all of them; no process may be running."""
        return [message.value() for message in self.all_of("dead_letters")]

    def assigned_to(self, instance: str) -> set[int]:
        """Return the partitions that the group has assigned to a process, whether it works on them or not."""
        group = f"{self.names}-detect"
        try:
            members = self.admin.describe_consumer_groups([group])[group].result(30).members
        except KafkaException as failure:
            if failure.args[0].code() in COORDINATOR_LOADING:  # a new broker's first group
                return set()
            raise
        given = [m.assignment.topic_partitions for m in members if m.group_instance_id == instance and m.assignment]
        return {each.partition for topic_partitions in given for each in topic_partitions}

    def committed(self) -> dict[int, int]:
        """Return the group's offsets."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"{self.names}-detect"})
        topic_partitions = [TopicPartition(self.topic("activity"), number) for number in range(PARTITIONS)]
        offsets = {found.partition: found.offset for found in consumer.committed(topic_partitions, timeout=30)}
        consumer.close()
        return offsets

    def close(self) -> None:
        self.reminders.close()


class OffsetsObserved:
    """A transactional producer that calls `before_offsets` once, before it sends offsets."""

    def __init__(self, producer: Producer, before_offsets: Callable[[], object]) -> None:
        self._producer = producer
        self._before_offsets: Callable[[], object] | None = before_offsets

    def send_offsets_to_transaction(self, *arguments: Any) -> None:
        call, self._before_offsets = self._before_offsets, None
        if call is not None:
            call()
        self._producer.send_offsets_to_transaction(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)


class Member:
    """One detect process, as a thread of this process. Leaving the context stops it."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._shared = Shared(settings, clock)
        self.loop = detect.build(self._shared)
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._work: Future[None] | None = None

    def __enter__(self) -> Self:
        self._work = self._pool.submit(self.loop.run, self._stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        """Raises what it raised, unless the test has something to say itself."""
        self._stop.set()
        self._pool.shutdown()
        if kind is None:
            self.failure(None)

    def metric(self, name: str, **labels: str) -> float:
        return self._shared.metrics.get_sample_value(name, labels) or 0.0

    def applied(self) -> float:
        """Return how many activities it has applied."""
        return self.metric("lapse_events_total", outcome="applied")

    def aborted_commits(self) -> float:
        return self.metric("lapse_commit_failures_total", outcome="aborted")

    def before_offsets(self, call: Callable[[], object]) -> None:
        """Have its next commit call this when the records are produced and the offsets are not yet sent."""
        producer = self.loop._checkpoint._producer
        producer.client = OffsetsObserved(producer.client, call)  # type: ignore[assignment]

    def health(self) -> PartState:
        return self._shared.health.states()["detect"]

    def partitions(self) -> set[int]:
        return set(self.loop.tasks)

    def tracked_keys(self) -> int:
        """Return how many users it remembers."""
        return sum(len(partition.table) for partition in self.loop.tasks.values())

    def watermark(self, partition: int) -> int | None:
        found = self.loop.tasks.get(partition)
        return None if found is None else found.watermark.value

    def failure(self, expected: type[Exception] | None, seconds: float = 120.0) -> str:
        """Wait until it has ended by itself with this exception, and return its text."""
        assert self._work is not None
        problem = self._work.exception(seconds)
        self._work = self._pool_is_done()
        if problem is not None and (expected is None or not isinstance(problem, expected)):
            raise problem
        assert (problem is None) == (expected is None), "it ended without an exception"
        return str(problem)

    def _pool_is_done(self) -> "Future[None]":
        done: Future[None] = Future()
        done.set_result(None)
        return done


class Process:
    """One detect process that can be killed, stopped and resumed. Leaving the context kills it."""

    def __init__(self, settings: dict[str, Any], interruption: Sequence[str]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        file = Path(self._folder.name, "settings.json")
        file.write_text(json.dumps(settings))
        command = [sys.executable, "-m", "tests.faults.member", str(file), *interruption]
        self._process = subprocess.Popen(command, cwd=ROOT)

    def wait_until_killed(self) -> None:
        """Wait until it has been killed."""
        self._process.wait(120)
        assert self._process.returncode == -signal.SIGKILL

    def wait_until_stopped(self) -> None:
        """Wait until SIGSTOP has stopped it."""
        wait_until_halted(self._process)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def poll_exit_code(self) -> int | None:
        """Return its exit code, None while it runs."""
        return self._process.poll()

    def exit_code(self, how: signal.Signals | None = None, seconds: float = 120) -> int:
        """Send this signal, if any, and return its exit code once it has ended."""
        if how is not None:
            self._process.send_signal(how)
        return self._process.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(60)
        self._folder.cleanup()


class SupervisedProcess:
    """One detect process, and a supervisor that starts it again when it was fenced."""

    def __init__(self, world: World, instance: str, **client: int) -> None:
        self._start = partial(world.process, instance, **client)
        self._process = self._start()

    def wait_until(self, what: Callable[[], object], seconds: float = 120.0, *, meaning: str) -> None:
        """Keep it running until this is true."""
        eventually(lambda: self._is_up() and what(), seconds, meaning=meaning)

    def stop(self) -> None:
        code = self._process.exit_code(signal.SIGTERM)
        assert code in (0, FENCED)

    def _is_up(self) -> bool:
        if (code := self._process.poll_exit_code()) is not None:
            assert code == FENCED
            self._process = self._start()
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._process.__exit__(*raised)


class TopicReader:
    """A consumer that collects everything on a topic; only committed records, unless told otherwise."""

    def __init__(
        self, bootstrap: str, topic: str, isolation: str = "read_committed", partitions: int = PARTITIONS
    ) -> None:
        self._topic = topic
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "reads only",
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        self._reached: dict[int, int] = {}
        self.messages: list[Message] = []

    def read(self) -> None:
        for message in self._consumer.consume(1000, 0.1):
            if message.error() is None:
                self.messages.append(message)
            else:
                self._reached[message.partition() or 0] = message.offset() or 0

    def read_to_the_end(self, admin: AdminClient) -> None:
        ends = partition_offsets.fetch_all(admin, self._topic)

        def reached() -> bool:
            self.read()
            return all(self._reached.get(number, 0) >= end for number, end in ends.items())

        eventually(reached, meaning=f"{self._topic} is read to its end")

    def close(self) -> None:
        self._consumer.close()


class Reminders(TopicReader):
    """The reminders topic."""

    def so_far(self) -> list[dict[str, Any]]:
        self.read()
        return [self._decoded(message.value() or b"") for message in self.messages]

    def of(self, kind: str) -> list[str]:
        return [record["user_id"] for record in self.so_far() if record["kind"] == kind]

    def ids(self) -> dict[str, str]:
        """Return the id of the latest DUE reminder by user."""
        return {record["user_id"]: record["reminder_id"] for record in self.so_far() if record["kind"] == "DUE"}

    def _decoded(self, value: bytes) -> dict[str, Any]:
        record = fastavro.schemaless_reader(io.BytesIO(value[10:]), _REMINDER, None)
        assert isinstance(record, dict)
        return record


def watermarks_pass(member: Member, moment: int, partitions: Iterable[int]) -> Callable[[], bool]:
    return lambda: all((member.watermark(number) or 0) > moment for number in partitions)


class Upstream:
    """A producer of activities that writes in transactions."""

    def __init__(self, world: World) -> None:
        lasting = {"transactional.id": fresh_name("upstream"), "transaction.timeout.ms": 600_000}
        self._producer = Producer({"bootstrap.servers": world.bootstrap, **lasting})
        self._producer.init_transactions(30)
        self._topic = world.topic("activity")

    def begin(self, partition: int, *values: bytes) -> None:
        self._producer.begin_transaction()
        for value in values:
            self._producer.produce(self._topic, value, partition=partition)
        assert self._producer.flush(30) == 0

    def commit(self) -> None:
        self._producer.commit_transaction(30)

    def abort(self) -> None:
        self._producer.abort_transaction(30)
