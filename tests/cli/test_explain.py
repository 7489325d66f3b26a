"""`lapse explain`: ten answers to "why did they not get a message?", on a real topic and a real ledger."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from consumer.clock import DAY, HOUR, MINUTE, SECOND, ManualClock, Millis, SystemClock
from consumer.detect.lapse_rules import reminder_id
from consumer.records import Reminder, ReminderKind
from consumer.sandbox.server import Sandbox
from tests.broker.topics import FreshTopics
from tests.cli.conftest import Lapse, settings, write
from tests.timelines.deliver_diary import Diary

NOW = SystemClock().now()
QUIET = 2 * HOUR
PHONE = "+34 612 345 678"


class World:
    """A topic with activities, and the ledger of a deliver that has worked on what detect asked for."""

    def __init__(self, folder: Path, lapse: Lapse, kafka: str, topic: str, onemsg: Sandbox) -> None:
        self.lapse, self._topic, self.token = lapse, topic, onemsg.token
        self._producer = Producer({"bootstrap.servers": kafka})
        write(
            folder,
            settings(
                onemsg,
                kafka={"bootstrap_servers": kafka},
                source={"topic": topic, "format": "json", "user": "user", "time": "at", "event": "name"},
                processes={
                    "checkout": {
                        "action": "your order",
                        "remind_after": ["2h"],
                        "active_on": ["viewed"],
                        "complete_on": ["paid"],
                    }
                },
                policy={"timezone": "Europe/Madrid"},
            ),
        )
        self.diary = Diary(folder, url=f"sqlite:///{folder}/lapse.db", clock=ManualClock(NOW - MINUTE))
        self.diary.detect_is_at()

    def did(self, user: str, name: str, ago: Millis) -> "World":
        value = json.dumps({"user": user, "at": NOW - ago, "name": name}).encode()
        self._producer.produce(self._topic, value, user, 0, timestamp=NOW - ago)
        assert self._producer.flush(30) == 0
        return self

    def lapsed(self, user: str, ago: Millis, kind: ReminderKind = ReminderKind.DUE) -> "World":
        """Detect has asked for a reminder of an activity that long ago."""
        seen = NOW - ago
        self.diary.takes(
            Reminder(
                reminder_id=reminder_id(user, "checkout", seen, QUIET),
                kind=kind,
                user_id=user,
                process="checkout",
                step=0,
                last_seen=seen,
                lapsed_at=seen + QUIET,
                occurred_at=seen + QUIET if kind is ReminderKind.DUE else NOW - MINUTE,
                detected_at=NOW - MINUTE,
            )
        )
        return self

    def explain(self, *arguments: str) -> Any:
        return self.lapse("explain", *arguments, TOKEN=self.token)

    def says(self, user: str, *expected: str) -> str:
        """Check that the story of this user has each of these texts; return it in one line."""
        done = self.explain(user)
        story = " ".join(done.stdout.split())
        for text in expected:
            assert text in story, story
        assert PHONE.replace(" ", "")[1:] not in done.stdout + done.stderr
        return story


@pytest.fixture
def world(tmp_path: Path, lapse_here: Lapse, kafka: str, topics: FreshTopics, onemsg: Sandbox) -> Iterator[World]:
    world = World(tmp_path, lapse_here, kafka, topics(1, about="activity"), onemsg)
    yield world
    world.diary.close()


def test_sent_and_read(world: World) -> None:
    world.diary.knows("maria")
    world.did("maria", "viewed", 3 * HOUR).lapsed("maria", 3 * HOUR).diary.works()
    world.diary.reports("wamid.1", "sent", "delivered", "viewed")
    story = world.says("maria", "was active", "quiet for 2 h (step 0)", "attempt 1 begins", "accepted by the provider")
    assert "checkout: read" in story
    assert story.index("was active") < story.index("quiet for") < story.index("delivered")
    assert "next: nothing, until a new activity" in story


def test_no_consent(world: World) -> None:
    world.diary.knows("maria", opt_in=False)
    world.lapsed("maria", 3 * HOUR).diary.works()
    world.says(
        "maria", "consent: not given", "not sent, and will not be: no_opt_in – No consent", "→ Once the person has"
    )


def test_opted_out(world: World) -> None:
    world.diary.knows("maria").hears("STOP")
    world.lapsed("maria", 3 * HOUR).diary.works()
    world.says("maria", "opted out: nothing is sent", "opted_out – The person asked for no more")


def test_came_back(world: World) -> None:
    world.diary.knows("maria")
    world.lapsed("maria", 3 * HOUR).lapsed("maria", 3 * HOUR, ReminderKind.RETURNED).diary.works()
    world.says("maria", "cancelled: returned – The person was active in the process again", "the person came back")


def test_no_contact_yet(world: World) -> None:
    world.lapsed("maria", 3 * HOUR).diary.works()
    world.says("maria", "no contact: nothing can be sent", "next: all checks are made again at", "→ Write one to the")


def test_finished(world: World) -> None:
    world.did("maria", "viewed", 5 * HOUR).did("maria", "paid", 4 * HOUR)
    world.says("maria", "was active", "completed it", "finished or cancelled at", "there is nothing to remind of")


def test_not_quiet_for_long_enough(world: World) -> None:
    world.did("maria", "viewed", HOUR)
    world.says("maria", "not quiet for long enough yet", "next: step 0 is asked for at")


def test_quiet_for_long_enough_and_detect_is_not_there_yet(world: World) -> None:
    world.did("maria", "viewed", QUIET + 45 * SECOND)
    world.says("maria", "detect has not asked yet", "unless the brake holds it")


def test_lapse_that_the_brake_held_or_that_came_before_the_first_start(world: World) -> None:
    world.did("maria", "viewed", 3 * HOUR)
    world.says("maria", "the ledger has no reminder", "→ The brake may have held it back (`lapse brake status`)")


def test_unknown_outcome(world: World) -> None:
    world.diary.knows("maria").onemsg.answers.append(TimeoutError())
    world.lapsed("maria", 3 * HOUR)
    world.diary.works()
    world.says("maria", "nobody knows whether it was sent; it is not sent again by itself")


def test_paused_by_an_operator(world: World) -> None:
    world.diary.knows("maria")
    assert world.lapse("pause", "checkout", TOKEN=world.token).returncode == 0
    world.lapsed("maria", 3 * HOUR).diary.works()
    world.says("maria", "an operator has paused checkout since", "paused – An operator has paused", "→ `lapse resume`")


def test_unknown_user(world: World) -> None:
    done = world.explain("nobody")
    assert done.returncode == 1
    assert "nothing is known of this user" in done.stdout
    assert "was not read" not in done.stdout  # though the topic is empty


def test_by_reminder_by_message_and_as_json(world: World) -> None:
    world.diary.knows("maria")
    world.lapsed("maria", 3 * HOUR).diary.works()
    found = reminder_id("maria", "checkout", NOW - 3 * HOUR, QUIET)
    for option, value in (("--reminder", found), ("--message", "wamid.1")):
        story = json.loads(world.explain(option, value, "--json").stdout)
        assert story["user_id"] == "maria"
        assert [each["process"] for each in story["processes"]] == ["checkout"]
        assert story["processes"][0]["entries"][0]["at"] == NOW - HOUR
    assert "no such reminder" in world.explain("--reminder", "none").stderr


def test_phone_is_shown_only_when_asked_for_and_that_is_logged(world: World) -> None:
    world.diary.knows("maria")
    assert "phone: …678" in world.explain("maria").stdout
    done = world.explain("maria", "--reveal")
    assert "phone: 34612345678" in done.stdout
    assert "phone_revealed" in done.stderr


def test_without_a_ledger_and_without_a_broker_the_notes_say_so(world: World, tmp_path: Path) -> None:
    done = world.lapse(
        "explain",
        "maria",
        TOKEN=world.token,
        LAPSE_LEDGER__URL=f"sqlite:///{tmp_path}/none.db",
        LAPSE_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:9",
    )
    text = " ".join(done.stdout.split())
    assert "there is no ledger at" in text
    assert "was not read: kafka.bootstrap_servers: no answer" in text


def test_history_before_the_look_back_is_read_when_asked_for(world: World) -> None:
    world.did("maria", "viewed", HOUR)
    assert "read from" in world.says("maria", "was active")
    assert "was active" not in world.explain("maria", "--since", "2099-01-01").stdout
    assert "was active" in world.explain("maria", "--since", f"{30 * DAY // HOUR}h").stdout


def test_wrong_usage_is_explained(world: World) -> None:
    assert world.explain().returncode == 2
    assert world.explain("maria", "--message", "x").returncode == 2
