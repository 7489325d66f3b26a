"""A ledger is lost, or restored from a backup: nobody is messaged twice, and opt-outs stay."""

import shutil
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from consumer.ledger import queries
from consumer.ledger.store import Ledger
from tests.app.service import Platform, Sandbox, Service, eventually
from tests.broker.broker import free_ports
from tests.broker.topics import create_topics
from tests.faults.replicas import TIMEOUT_S, Detect, channel, deliver, names
from tests.ledger.postgresql import programs_folder, running

__all__ = ["channel", "names"]


class Backup:
    """A backup of a ledger in use, made and restored as deploy/RUNBOOK.md says."""

    def __init__(self, url: str, folder: Path) -> None:
        self._sqlite = Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else None
        self._url = url.replace("+psycopg", "")
        self._copy = folder / "backup"

    def make(self) -> None:
        if self._sqlite is None:
            self._run("pg_dump", "--format=custom", f"--file={self._copy}", self._url)
            return
        with sqlite3.connect(self._sqlite) as ledger, sqlite3.connect(self._copy) as copy:
            ledger.backup(copy)

    def restore(self) -> None:
        if self._sqlite is None:
            self._run("pg_restore", "--clean", "--if-exists", f"--dbname={self._url}", str(self._copy))
            return
        for ending in ("", "-wal", "-shm"):
            self._sqlite.with_name(self._sqlite.name + ending).unlink(missing_ok=True)
        shutil.copy(self._copy, self._sqlite)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([programs_folder() / program, *arguments], check=True, timeout=60)


class Story:
    def __init__(self, service: Service, detect: Detect, platform: Platform, channel: Sandbox, url: str) -> None:
        self.service, self.detect, self.platform, self.channel, self.url = service, detect, platform, channel, url
        self.statuses = platform.reads("delivery_status", "delivery_status")

    def add_contact(self, user: str, last: str = "999") -> None:
        self.platform.knows(user, name=user, phone=f"+34 612 {100 + sum(user.encode()) % 80 * 10} {last}")
        self.platform.flush()

    def wait_for_status(self, user: str, status: str, reason: str | None = None) -> None:
        def seen() -> bool:
            return any(
                (r["user_id"], r["status"], r["reason"]) == (user, status, reason) for r in self.statuses.so_far()
            )

        eventually(seen, TIMEOUT_S, meaning=f"{user} {status} {reason}; its log is in {self.service.folder}")

    def begin_ledger(self) -> None:
        def begins() -> bool:
            done = self.service.command("ledger", "begin")
            assert done.returncode == 0 or "wait a minute" in done.stderr, done.stderr
            return done.returncode == 0

        eventually(begins, TIMEOUT_S, meaning="the group has expelled its last member")

    def messages_by_user(self) -> Counter[str]:
        return Counter(message["params"][0] for message in self.channel.messages())


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Of an empty ledger; on PostgreSQL a private one, which `pg_dump` is of the same version as."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'lapse.db'}"
        return
    with running({}) as private:
        yield private


@pytest.fixture
def story(kafka: str, names: str, channel: Sandbox, tmp_path: Path, url: str) -> Iterator[Story]:
    platform = Platform(kafka, names)
    detect = Detect(kafka, platform)
    [port] = free_ports(1)
    service = deliver(kafka, channel, tmp_path, names, port, "one", url)
    with detect.running():
        yield Story(service, detect, platform, channel, url)
        if service.process is not None and service.process.poll() is None:
            service.process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_after_a_restore_nobody_is_messaged_twice_and_opt_outs_stay(story: Story, tmp_path: Path) -> None:
    story.service.start("--role", "deliver")
    story.add_contact("anna")
    story.detect.write_due("anna")
    story.detect.write_due("bea")  # no contact yet
    story.wait_for_status("anna", "accepted")
    story.wait_for_status("bea", "deferred", "no_contact")
    backup = Backup(story.url, tmp_path)
    backup.make()

    story.add_contact("bea")
    story.add_contact("carl")
    story.add_contact("dora", last="010")  # answers STOP
    for user in ("carl", "dora"):
        story.detect.write_due(user)
    for user in ("bea", "carl", "dora"):
        story.wait_for_status(user, "accepted")
    stops = story.platform.reads("opt_outs", "opt_out")
    eventually(
        lambda: [r["user_id"] for r in stops.so_far() if r["user_id"]] == ["dora"],
        TIMEOUT_S,
        meaning="dora has opted out",
    )
    assert story.service.stop() == 0
    backup.restore()

    story.service.start("--role", "deliver")
    story.wait_for_status("bea", "unknown", "ledger_restored")
    story.wait_for_status("carl", "unknown", "ledger_restored")
    story.detect.write_due("dora", "checkout")
    story.wait_for_status("dora", "suppressed", "opted_out")
    story.add_contact("emil")
    story.detect.write_due("emil")
    story.wait_for_status("emil", "accepted")  # new reminders are sent
    assert story.messages_by_user() == {"anna": 1, "bea": 1, "carl": 1, "dora": 1, "emil": 1}
    assert story.service.stop() == 0
    story.service.start("--role", "deliver")  # a second start finds nothing restored
    assert story.service.log.count("ledger_restored") == 1
    assert story.service.stop() == 0


def test_new_ledger_knows_who_opted_out_by_user_and_by_number(story: Story, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("a-key-that-outlives-the-ledger")
    story.service.change("ledger", hash_key={"file": str(key)})
    story.service.start("--role", "deliver")
    story.add_contact("dora", last="010")  # answers STOP
    story.detect.write_due("dora")
    story.wait_for_status("dora", "accepted")
    stops = story.platform.reads("opt_outs", "opt_out")
    eventually(lambda: len(stops.so_far()) == 2, TIMEOUT_S, meaning="dora and her number have opted out")
    number = next(stop for stop in stops.so_far() if not stop["user_id"])
    assert (number["reason"], number["source"], len(number["phone_hash"])) == ("asked_to_stop", "webhook", 64)
    assert story.service.stop() == 0
    for each in Path(story.url.removeprefix("sqlite:///")).parent.glob("lapse.db*"):
        each.unlink()

    story.begin_ledger()
    story.service.start("--role", "deliver")
    story.platform.knows("dana", name="dana", phone=f"+34 612 {100 + sum(b'dora') % 80 * 10} 010")
    story.platform.flush()
    for user in ("dora", "dana"):
        story.detect.write_due(user)
    for user in ("dora", "dana"):
        story.wait_for_status(user, "suppressed", "opted_out")
    assert story.messages_by_user() == {"dora": 1}
    assert story.service.stop() == 0


def make_anew(kafka: str, topic: str, **config: str) -> None:
    """Delete the topic, and create it with as many partitions."""
    admin = AdminClient({"bootstrap.servers": kafka})
    partitions = len(admin.list_topics(topic, timeout=60).topics[topic].partitions)
    admin.delete_topics([topic])[topic].result()
    eventually(lambda: topic not in admin.list_topics(timeout=60).topics, TIMEOUT_S, meaning="it is deleted")
    create_topics(admin, [NewTopic(topic, partitions, replication_factor=1, config=config)])


def test_contacts_topic_that_was_made_anew_is_read_from_its_beginning(story: Story, kafka: str) -> None:
    story.service.start("--role", "deliver")
    for user in ("anna", "bea", "carl"):
        story.add_contact(user)
    story.detect.write_due("anna")
    story.wait_for_status("anna", "accepted")
    assert story.service.stop() == 0
    make_anew(kafka, f"{story.platform.names}-contacts", **{"cleanup.policy": "compact"})
    story.platform.knows("bea", name="bea", phone="+34 612 345 678", opt_in=False)
    story.platform.flush()

    story.service.start("--role", "deliver")
    assert story.service.log.count("contacts_topic_replaced") == 1
    story.detect.write_due("bea")
    story.wait_for_status("bea", "suppressed", "no_opt_in")
    story.detect.write_due("carl")  # still known from the former topic
    story.wait_for_status("carl", "accepted")
    assert "ledger_restored" not in story.service.log
    assert story.messages_by_user() == {"anna": 1, "carl": 1}
    assert story.service.stop() == 0


def test_reminders_topic_that_was_made_anew_is_read_from_its_beginning(story: Story, kafka: str) -> None:
    """The new one may soon be as long as the former was, so no offset shows it."""
    for user in ("anna", "bea", "carl"):
        story.add_contact(user)
    story.service.start("--role", "deliver")
    story.detect.write_due("anna")
    story.wait_for_status("anna", "accepted")
    assert story.service.stop() == 0
    make_anew(kafka, f"{story.platform.names}-reminders")
    detect = Detect(kafka, story.platform)  # the former one's client goes on with the former topic
    with detect.running():
        for user in ("bea", "carl"):
            detect.write_due(user)
        story.service.start("--role", "deliver")
        assert story.service.log.count("reminders_topic_replaced") == 1
        for user in ("bea", "carl"):
            story.wait_for_status(user, "accepted")
    assert "ledger_restored" not in story.service.log
    assert story.messages_by_user() == {"anna": 1, "bea": 1, "carl": 1}
    assert story.service.stop() == 0


def test_empty_ledger_is_refused_until_ledger_begin(story: Story) -> None:
    story.service.start("--role", "deliver")
    story.add_contact("anna")
    story.detect.write_due("anna")
    story.wait_for_status("anna", "accepted")
    assert story.service.stop() == 0
    lost = Path(story.url.removeprefix("sqlite:///"))
    for each in lost.parent.glob("lapse.db*"):
        each.unlink()

    refused = story.service.command("run", "--role", "deliver")
    assert refused.returncode == 1
    assert "belongs to the ledger" in refused.stderr
    assert "`lapse ledger begin`" in refused.stderr
    assert str(lost) in refused.stderr
    assert list(lost.parent.glob("lapse.db*")) == []  # nothing is left behind

    story.begin_ledger()
    story.service.start("--role", "deliver")
    story.add_contact("bea")
    story.detect.write_due("bea")
    story.wait_for_status("bea", "accepted")
    assert story.messages_by_user() == {"anna": 1, "bea": 1}
    assert story.service.stop() == 0


def test_ledger_of_another_group_is_refused(story: Story, tmp_path: Path) -> None:
    story.service.start("--role", "deliver")
    story.add_contact("anna")
    story.detect.write_due("anna")
    story.wait_for_status("anna", "accepted")
    assert story.service.stop() == 0
    other: dict[str, Any] = {"url": f"sqlite:///{tmp_path / 'other.db'}"}
    made = Ledger(other["url"])
    with made.transaction() as connection:
        queries.replicas.advance_offsets(connection, f"{story.platform.names}-reminders", {0: 1})
    made.close()
    story.service.change("ledger", **other)
    refused = story.service.command("run", "--role", "deliver")
    assert refused.returncode == 1
    assert "belongs to the ledger" in refused.stderr
    assert f"{made.id} at {tmp_path}/other.db" in refused.stderr
