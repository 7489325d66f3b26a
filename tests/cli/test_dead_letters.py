"""`lapse dead-letters` on a real broker: records are shown, and replayed once."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from consumer.clock import SystemClock
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import Publisher
from consumer.kafka.clients.transactional_producer import command_producer
from consumer.kafka.dead_letters import topic_reader
from consumer.kafka.dead_letters.records import RejectedRecord, dead_letter, rejected_record
from tests.broker.topics import FreshTopics, fresh_name
from tests.cli.conftest import Lapse, command, environment, write
from tests.halting import halt
from tests.kafka.committed import Seen, committed, wait_until_written

WAIT = 30.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder with a configuration, and its topics."""

    folder: Path
    bootstrap: str
    prefix: str
    activity: str
    contacts: str
    dead: str

    def set_aside(self, values: Sequence[bytes | None], reason: str = "unframed", topic: str | None = None) -> None:
        """Writes these onto partition 0 of the activity's topic, or of another, and has each set aside from there."""
        topic = topic or self.activity
        publisher = Publisher(KafkaSettings(bootstrap_servers=self.bootstrap), SystemClock(), name="platform")
        before = len(committed(self.bootstrap, topic))
        publisher.publish([Output(topic, 0, b"u%d" % number, value) for number, value in enumerate(values)])
        messages = list(self._messages(topic, before, len(values)))
        publisher.publish(
            [dead_letter(self.dead, rejected_record(each), reason, "it [cannot] be read") for each in messages]
        )
        publisher.close()

    def _messages(self, topic: str, first: int, count: int) -> "Iterator[object]":
        settings = {"bootstrap.servers": self.bootstrap, "group.id": self.prefix, "enable.auto.commit": False}
        consumer = Consumer(settings)
        consumer.assign([TopicPartition(topic, 0, first)])
        for _ in range(count):
            message = consumer.poll(WAIT)
            assert message is not None
            yield message
        consumer.close()

    def came_back(self, topic: str | None = None) -> list[Seen]:
        """What was put back."""
        return [seen for seen in committed(self.bootstrap, topic or self.activity) if "replayed_from" in seen.headers]

    def letters(self) -> list[str]:
        """Where letters are, as the header `replayed_from` names them."""
        there = [seen for seen in committed(self.bootstrap, self.dead) if "replayed" not in seen.headers]
        return [f"{self.dead}/{seen.partition}/{seen.offset}" for seen in there]

    def origins(self) -> list[str]:
        """Which letters were put back, each as often as it was."""
        return sorted(seen.headers["replayed_from"].decode() for seen in self.came_back())


@pytest.fixture
def lapse(lapse_here: Lapse) -> Lapse:
    return lapse_here


@pytest.fixture
def place(tmp_path: Path, kafka: str, topics: FreshTopics) -> Place:
    there = Place(
        folder=tmp_path,
        bootstrap=kafka,
        prefix=fresh_name("lapse"),
        activity=topics(2, about="activity"),
        contacts=topics(2, about="contacts"),
        dead=topics(2, about="dead"),
    )
    write(
        tmp_path,
        {
            "processes": {"checkout": {"action": "your order", "remind_after": ["2h"]}},
            "kafka": {"bootstrap_servers": kafka, "group_prefix": there.prefix},
            "source": {"topic": there.activity},
            "topics": {"contacts": there.contacts, "dead_letters": there.dead},
        },
    )
    return there


@contextmanager
def replaying(place: Place) -> "Iterator[subprocess.Popen[str]]":
    """A replay in a process of its own."""
    process = subprocess.Popen(
        command("dead-letters", "replay", "--yes"),
        cwd=place.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


class TestTheList:
    def test_shows_origin_and_reason_without_bytes(self, lapse: Lapse, place: Place) -> None:
        place.set_aside([b"Maria's secret", None])
        done = lapse("dead-letters", "list")
        assert (done.returncode, done.stderr) == (0, "")
        rows = [line.split() for line in done.stdout.splitlines() if line.strip().startswith(place.activity)]
        assert sorted(row[0] for row in rows) == [f"{place.activity}[0]@0", f"{place.activity}[0]@1"]
        assert sorted(row[-2] for row in rows) == ["14", "null"]
        assert {row[-1] for row in rows} == {"–"}
        assert "unframed" in done.stdout
        assert "it [cannot] be read" in done.stdout
        assert "2 dead letters\n" in done.stdout
        assert f"  2 from {place.activity}: unframed" in done.stdout
        assert "Maria" not in done.stdout
        assert "4d 61" not in done.stdout

    def test_shows_first_bytes_on_request(self, lapse: Lapse, place: Place) -> None:
        place.set_aside([b"Maria" + b"." * 300])
        done = lapse("dead-letters", "list", "--show")
        assert "  0000  4d 61 72 69 61 2e" in done.stdout
        assert "Maria..........." in done.stdout
        assert "  and 105 bytes more" in done.stdout

    def test_is_filtered_and_limited_to_the_newest(self, lapse: Lapse, place: Place) -> None:
        place.set_aside([b"1", b"2", b"3"])
        place.set_aside([b"4"], reason="unreadable")
        place.set_aside([b"5"], topic=place.contacts)
        newest = lapse("dead-letters", "list", "--limit", "2").stdout
        assert "5 dead letters; these are the newest 2" in newest
        assert newest.count(f"{place.contacts}[0]@0") == 1
        unreadable = lapse("dead-letters", "list", "--reason", "unreadable", "--topic", place.activity).stdout
        assert "1 dead letter\n" in unreadable
        assert f"{place.activity}[0]@3" in unreadable
        assert "0 dead letters" in lapse("dead-letters", "list", "--since", "2999-01-01").stdout

    def test_shows_which_were_replayed(self, lapse: Lapse, place: Place) -> None:
        place.set_aside([b"1"])
        place.set_aside([b"2"], reason="unreadable")
        lapse("dead-letters", "replay", "--yes", "--reason", "unreadable")
        lines = [line.split() for line in lapse("dead-letters", "list").stdout.splitlines()]
        rows = {cells[0]: cells[-1] for cells in lines if cells}
        assert (rows[f"{place.activity}[0]@0"], rows[f"{place.activity}[0]@1"]) == ("–", "yes")


class TestAReplay:
    def test_restores_keys_bytes_and_partitions_once(self, lapse: Lapse, place: Place) -> None:
        place.set_aside([b"1", None, b""])
        first, again = (lapse("dead-letters", "replay", "--yes") for _ in range(2))
        assert (first.returncode, first.stderr) == (0, "")
        assert first.stdout == f"3 letters would be written back to {place.activity}\n3 letters replayed\n"
        assert (again.returncode, again.stdout) == (0, "there is nothing to replay\n")
        back = place.came_back()
        assert {(seen.partition, seen.key, seen.value) for seen in back} == {
            (0, b"u0", b"1"),
            (0, b"u1", None),
            (0, b"u2", b""),
        }
        assert place.origins() == sorted(place.letters())

    def test_of_a_selection_leaves_the_others(self, lapse: Lapse, place: Place) -> None:
        for reason in ("unframed", "unreadable", "unframed", "unknown_schema"):
            place.set_aside([reason.encode()], reason=reason)
        for options in (["--reason", "unreadable"], ["--reason", "unframed"], ["--since", "1h"]):
            assert lapse("dead-letters", "replay", "--yes", *options).returncode == 0
        assert place.origins() == sorted(place.letters())

    def test_keeps_headers_and_timestamp(self, lapse: Lapse, place: Place) -> None:
        spring = 1_775_000_000_000
        publisher = Publisher(KafkaSettings(bootstrap_servers=place.bootstrap), SystemClock(), name="platform")
        publisher.publish([Output(place.activity, 1, b"maria", b"?", [("trace", b"7")], spring)])
        rejected = RejectedRecord(place.activity, 1, 0, b"maria", b"?")
        publisher.publish([dead_letter(place.dead, rejected, "unframed", "it cannot be read")])
        publisher.close()
        assert lapse("dead-letters", "replay", "--yes").returncode == 0
        [back] = place.came_back()
        assert (back.partition, back.key, back.value, back.timestamp) == (1, b"maria", b"?", spring)
        assert back.headers == {"trace": b"7", "replayed_from": place.letters()[0].encode()}

    def test_writes_only_into_the_input(self, lapse: Lapse, place: Place) -> None:
        place.set_aside([b"1"])
        place.set_aside([b"2"], topic=place.contacts)
        done = lapse("dead-letters", "replay", "--yes")
        told = f"1 letter cannot be replayed: each came from another topic than {place.activity}"
        assert done.stdout.splitlines()[1].startswith(told)
        assert [seen.value for seen in place.came_back()] == [b"1"]
        assert place.came_back(place.contacts) == []

    def test_writes_nothing_that_does_not_stand_where_the_letter_says(self, lapse: Lapse, place: Place) -> None:
        place.set_aside([b"true"])
        forged = [("topic", place.activity.encode()), ("partition", b"0")]
        letters = [
            Output(place.dead, 0, b"u0", b"forged", [*forged, ("offset", b"0")]),
            Output(place.dead, 0, b"u0", b"true", [*forged, ("offset", b"9")]),
            Output(place.dead, 0, b"u0", b"true", [*forged, ("offset", b"9" * 18)]),
        ]
        with_writer(place, letters)
        for number in ("4", "3"):  # what stays is looked at again
            done = lapse("dead-letters", "replay", "--yes")
            assert done.stdout.startswith(f"{number} letters would be written back")
            assert done.stdout.splitlines()[2:] == [
                "2 letters cannot be replayed: each names a record that its topic no longer has",
                "1 letter cannot be replayed: each says something else than the record that it names",
            ]
        assert [seen.value for seen in place.came_back()] == [b"true"]

    def test_writes_a_record_with_two_letters_once(self, lapse: Lapse, place: Place) -> None:
        place.set_aside([b"1"])
        rejected = RejectedRecord(place.activity, 0, 0, b"u0", b"1")
        with_writer(place, [dead_letter(place.dead, rejected, "unframed", "again")])
        assert lapse("dead-letters", "replay", "--yes").stdout.endswith("2 letters replayed\n")
        assert len(place.came_back()) == 1
        assert lapse("dead-letters", "replay", "--yes").stdout == "there is nothing to replay\n"

    def test_asks_for_confirmation(self, lapse: Lapse, place: Place) -> None:
        place.set_aside([b"1"])
        no, nobody, yes = (lapse("dead-letters", "replay", typed=answer) for answer in ("n\n", "", "y\n"))
        assert "Replay 1 letter? [y/N]" in no.stdout
        assert (no.returncode, no.stdout.splitlines()[-1].endswith("nothing was replayed")) == (1, True)
        assert nobody.returncode == 1
        assert (yes.returncode, len(place.came_back())) == (0, 1)

    def test_leaves_letters_without_a_valid_origin(self, lapse: Lapse, place: Place) -> None:
        strange = [("topic", b"payments"), ("partition", b"0"), ("offset", b"1")]
        with_writer(place, [Output(place.dead, 0, b"k", b"v", strange), Output(place.dead, 0, b"k", b"v")])
        done = lapse("dead-letters", "replay", "--yes")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[0] == "there is nothing to replay"
        elsewhere = f"came from another topic than {place.activity}: have what writes there write it again"
        assert sorted(done.stdout.splitlines()[1:]) == [
            f"1 letter cannot be replayed: each {elsewhere}",
            "1 letter cannot be replayed: each has no headers that say where it came from",
        ]

    def test_continues_after_a_kill_without_repeats(self, lapse: Lapse, place: Place) -> None:
        place.set_aside([b"%d" % number for number in range(1_500)])
        with replaying(place) as process:
            wait_until_back(place)
            process.kill()
        part = len(place.came_back())
        assert part % 500 == 0
        assert lapse("dead-letters", "replay", "--yes").returncode == 0
        assert place.origins() == sorted(place.letters())

    def test_fences_a_running_replay(self, lapse: Lapse, place: Place) -> None:
        place.set_aside([b"%d" % number for number in range(1_500)])
        with replaying(place) as process:
            wait_until_back(place)
            halt(process)
            assert lapse("dead-letters", "replay", "--yes").returncode == 0
            process.send_signal(signal.SIGCONT)
            _, said = process.communicate(timeout=60)
        assert place.origins() == sorted(place.letters())
        assert process.returncode == 1
        assert said.endswith(" replayed; then another replay began: run this again when it has ended\n")

    def test_waits_for_open_transactions(self, place: Place) -> None:
        place.set_aside([b"1"])
        (letter,) = committed(place.bootstrap, place.dead)
        producer = Producer({"bootstrap.servers": place.bootstrap, "transactional.id": fresh_name("detect")})
        producer.init_transactions(WAIT)
        producer.begin_transaction()
        producer.produce(place.dead, b"another letter", partition=letter.partition)
        producer.flush(WAIT)
        with_writer(place, [topic_reader.replay_note(place.dead, letter.partition, [letter.offset])])
        with replaying(place) as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(3)
            producer.commit_transaction(WAIT)
            said, _ = process.communicate(timeout=60)
        producer.close()
        assert said.splitlines()[0] == "there is nothing to replay"
        assert place.came_back() == []

    def test_refused_by_the_broker_changes_nothing(self, lapse: Lapse, place: Place) -> None:
        place.set_aside([b"x" * 9_000, b"1"])
        limit_records(place, 5_000)
        done = lapse("dead-letters", "replay", "--yes")
        assert done.returncode == 1
        assert done.stderr.startswith("0 letters replayed; the broker does not accept the next ones: ")
        assert f"{place.activity}: " in done.stderr
        assert place.came_back() == []
        assert lapse("dead-letters", "list").stdout.count("–") == 2


def limit_records(place: Place, size: int) -> None:
    """From now on the input takes no record that is larger."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, place.activity, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": place.bootstrap})
    admin.incremental_alter_configs([resource])[resource].result(WAIT)


def with_writer(place: Place, outputs: Sequence[Output]) -> None:
    producer = command_producer(KafkaSettings(bootstrap_servers=place.bootstrap), name=fresh_name("somebody"))
    producer.take_over()
    producer.write(outputs)
    producer.close()


def wait_until_back(place: Place) -> None:
    """Until something was put back, committed or not. (What was set aside came from the topic's partition 0.)"""
    wait_until_written(place.bootstrap, place.activity, "replayed_from")


class TestUsage:
    def test_topic_that_lapse_does_not_read_is_wrong_usage(self, lapse: Lapse, place: Place) -> None:
        done = lapse("dead-letters", "replay", "--yes", "--topic", "payments")
        assert done.returncode == 2
        assert place.activity in " ".join(done.stderr.split())

    def test_invalid_time_is_wrong_usage(self, lapse: Lapse, place: Place) -> None:
        done = lapse("dead-letters", "list", "--since", "recently")
        assert done.returncode == 2
        assert "how long ago" in done.stderr

    @pytest.mark.parametrize("what", [["list"], ["replay", "--yes"]])
    def test_missing_topic_is_named(self, lapse: Lapse, tmp_path: Path, kafka: str, what: list[str]) -> None:
        write(
            tmp_path,
            {
                "processes": {"checkout": {"action": "your order", "remind_after": ["2h"]}},
                "kafka": {"bootstrap_servers": kafka},
                "topics": {"dead_letters": "daed-letters"},
            },
        )
        done = lapse("dead-letters", *what)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("the topic daed-letters does not exist: is topics.dead_letters right?")
