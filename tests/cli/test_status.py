"""`lapse status`: the records of `delivery-status`, decoded."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumer.commands.status import _masked
from consumer.config.sections.kafka import KafkaSettings
from consumer.config.settings import Settings
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import Publisher
from consumer.records import DeliveryStatus
from consumer.sandbox.server import Sandbox
from consumer.wiring.shared import Shared
from tests.broker.topics import FreshTopics
from tests.cli.conftest import Lapse, command, environment, settings, write
from tests.statuses import delivery_status

NOON = 1_790_000_000_000
Publish = Callable[..., None]


def record(user: str, status: str, n: int, **more: Any) -> DeliveryStatus:
    ids = {"event_id": f"e{n}", "reminder_id": f"r-{user}", "sequence": n, "user_id": user}
    times = {"occurred_at": NOON, "recorded_at": NOON + n}
    return delivery_status(**ids | times | {"status": status} | more)


@pytest.fixture
def publish(kafka: str, topics: FreshTopics, tmp_path: Path, onemsg: Sandbox) -> Publish:
    """Writes lapse.yaml with a topic of its own; publishes records there, alternating between two partitions."""
    topic = topics(2, about="delivery-status")
    content = settings(onemsg, kafka={"bootstrap_servers": kafka}, topics={"delivery_status": topic})
    write(tmp_path, content)
    shared = Shared(Settings.model_validate(content))

    def publish(*records: DeliveryStatus | bytes) -> None:
        publisher = Publisher(KafkaSettings(bootstrap_servers=kafka), shared.clock, name="deliver")
        values = [r if isinstance(r, bytes) else shared.codec.encode(r, topic) for r in records]
        publisher.publish([Output(topic, n % 2, b"", value) for n, value in enumerate(values)])
        publisher.close()

    return publish


def test_records_are_decoded_oldest_first(lapse_here: Lapse, publish: Publish) -> None:
    publish(
        record("ann", "accepted", 1, template="order_waiting", language="es"),
        record("+34612345678", "suppressed", 2, reason="no_opt_in", final=True),
        b"not a record of ours",
        record("ann", "failed", 3, reason="undeliverable", error_code=131026, final=True),
    )
    done = lapse_here("status")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "2026-09-21T14:13:20.001Z  r-ann  ann  checkout/0  whatsapp  accepted           order_waiting (es)",
        "2026-09-21T14:13:20.002Z  r-+34612345678  …678  checkout/0  whatsapp  suppressed (final) no_opt_in",
        "2026-09-21T14:13:20.003Z  r-ann  ann  checkout/0  whatsapp  failed (final)     undeliverable, 131026",
    ]


def test_json_is_one_object_a_line(lapse_here: Lapse, publish: Publish) -> None:
    publish(record("ann", "deferred", 1, reason="quiet_hours", until=NOON + 60_000))
    [line] = lapse_here("status", "--json").stdout.splitlines()
    told = json.loads(line)
    assert (told["user_id"], told["reason"], told["until"]) == ("ann", "quiet_hours", "2026-09-21T14:14:20.000Z")
    assert told["lapsed_at"] is None


def test_newest_are_shown_and_one_user_is_found_among_many(lapse_here: Lapse, publish: Publish) -> None:
    publish(record("ann", "accepted", 0), *[record("bob", "accepted", n) for n in range(1, 40)])
    lines = lapse_here("status", "--limit", "3").stdout.splitlines()
    assert [line[20:23] for line in lines] == ["037", "038", "039"]
    assert len(lapse_here("status", "--user", "ann").stdout.splitlines()) == 1
    nobody = lapse_here("status", "--user", "eve")
    assert nobody.returncode == 0
    assert nobody.stderr.startswith("nothing about eve on ")


def test_follow_goes_on_until_it_is_interrupted(publish: Publish, tmp_path: Path) -> None:
    publish(record("ann", "accepted", 1))
    following = subprocess.Popen(
        command("status", "--follow", "--json"), cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["status"] == "accepted"
        publish(record("ann", "read", 2))
        assert json.loads(following.stdout.readline())["status"] == "read"
        following.send_signal(2)
        assert following.wait(30) == 0
    finally:
        following.kill()


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("+34612345678", "…678"),
        ("34612345678", "…678"),
        ("34612345678@c.us", "…678@c.us"),
        ("42", "42"),
        ("1004234567", "1004234567"),
        ("user-34612345678x", "user-34612345678x"),
    ],
)
def test_ids_that_are_phone_numbers_are_masked(user: str, shown: str) -> None:
    assert _masked(user) == shown
