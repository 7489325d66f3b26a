"""`lapse init`: a topic of a platform's own is looked at, and the file that is written passes `lapse check`."""

import json
import struct
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import httpx
import pytest

from consumer.clock import SystemClock
from consumer.config.loader import load
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import Publisher
from consumer.sandbox.server import Sandbox
from tests.activity.registry import SmallRegistry, schema_registry
from tests.broker.topics import FreshTopics
from tests.cli.conftest import Lapse

NAMES = ["cart.updated"] * 5 + ["page.viewed"] * 3 + ["order.paid"] * 2 + ["cart.cleared"]


def event(n: int) -> dict[str, Any]:
    return {"user": {"id": n % 5}, "type": NAMES[n % len(NAMES)], "ts": int(time.time() * 1000)}


def publish(kafka: str, topic: str, values: list[bytes]) -> None:
    publisher = Publisher(KafkaSettings(bootstrap_servers=kafka), SystemClock(), name="platform")
    publisher.publish([Output(topic, n % 5 % 2, str(n % 5).encode(), value) for n, value in enumerate(values)])
    publisher.close()


@pytest.fixture
def shop(kafka: str, topics: FreshTopics) -> str:
    """A topic of JSON events of a shape of its own."""
    topic = topics(2, about="shop")
    publish(kafka, topic, [json.dumps(event(n)).encode() for n in range(22)])
    return topic


FLAGS = ("--start", "checkout=cart.updated", "--complete", "checkout=order.paid", "--no-input")


def test_flags_make_a_file_that_check_accepts(
    lapse_here: Lapse, tmp_path: Path, kafka: str, shop: str, onemsg: Sandbox
) -> None:
    channel = ("--channel-id", onemsg.channel_id, "--base-url", onemsg.base_url)
    more = ("--cancel", "checkout=cart.cleared", "--after", "checkout=2h,24h", "--action", "checkout=your order: 2")
    done = lapse_here("init", "--bootstrap", kafka, "--topic", shop, *FLAGS, *channel, *more, ONEMSG_TOKEN=onemsg.token)
    assert done.returncode == 0, done.stderr
    assert "the user's id: user.id, such as" in done.stdout
    assert done.stdout.endswith("Wrote lapse.yaml. Next: lapse check\n")
    settings = load(tmp_path / "lapse.yaml", {})
    checkout = settings.processes["checkout"]
    assert (settings.source.user, settings.source.time, settings.source.event) == ("user.id", "ts", "type")
    assert (checkout.complete_on, checkout.cancel_on) == (("order.paid",), ("cart.cleared",))
    assert checkout.action == "your order: 2"
    assert settings.onemsg is not None
    assert settings.onemsg.template.namespace == onemsg.namespace
    checked = lapse_here("check", ONEMSG_TOKEN=onemsg.token)
    assert checked.returncode == 0, checked.stdout


def test_questions_propose_and_numbers_answer_them(lapse_here: Lapse, tmp_path: Path, kafka: str, shop: str) -> None:
    answers = ["", "", "", "1", "", "", "", "your cart", "2h, 1d", "n", ""]
    done = lapse_here("init", "--bootstrap", kafka, "--topic", shop, typed="\n".join(answers) + "\n")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1. cart.updated  10" in done.stdout
    settings = load(tmp_path / "lapse.yaml", {})
    assert list(settings.processes) == ["cart"]
    cart = settings.processes["cart"]
    assert (cart.active_on, cart.complete_on, cart.action) == (("cart.updated",), ("order.paid",), "your cart")
    assert settings.onemsg is None
    assert "#   channel_id: CHANGE-ME" in (tmp_path / "lapse.yaml").read_text()
    assert lapse_here("check").returncode == 0


def test_existing_file_is_not_overwritten(lapse_here: Lapse, tmp_path: Path, kafka: str, shop: str) -> None:
    (tmp_path / "lapse.yaml").write_text("mine")
    done = lapse_here("init", "--bootstrap", kafka, "--topic", shop, *FLAGS)
    assert done.returncode == 1
    assert "lapse.yaml exists already, and nothing was changed" in done.stderr
    assert (tmp_path / "lapse.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("flags", "status", "said"),
    [
        (("--start", "checkout=cart.updatd"), 2, "cart.updatd was not seen: did you mean cart.updated?"),
        (("--complete", "checkout=order.paid"), 2, "nothing starts checkout: add --start checkout=EVENT"),
        (("--start", "cart.updated"), 2, "write PROCESS=VALUE, such as checkout=cart.updated"),
        ((), 2, "say what can be left unfinished: --start PROCESS=EVENT"),
        (("--start", "checkout=cart.updated", "--after", "checkout=2"), 2, "2 is no time span"),
        (("--start", "checkout=cart.updated", "--after", "checkout=2h,1h"), 2, "remind_after must increase"),
    ],
)
def test_flags_that_cannot_be_meant(
    lapse_here: Lapse, tmp_path: Path, kafka: str, shop: str, flags: tuple[str, ...], status: int, said: str
) -> None:
    done = lapse_here("init", "--bootstrap", kafka, "--topic", shop, "--no-input", *flags)
    assert done.returncode == status
    assert said in " ".join(done.stderr.replace("│", "").split())
    assert not (tmp_path / "lapse.yaml").exists()


def test_topic_that_is_not_there_or_empty(lapse_here: Lapse, kafka: str, shop: str, topics: FreshTopics) -> None:
    missing = lapse_here("init", "--bootstrap", kafka, "--topic", "shop-evnts", *FLAGS)
    assert "there is no topic shop-evnts; there are: " in missing.stderr
    empty = lapse_here("init", "--bootstrap", kafka, "--topic", topics(1), *FLAGS)
    assert "is empty: there is nothing to look at" in empty.stderr


SCHEMA = {
    "type": "record",
    "name": "ShopEvent",
    "fields": [
        {"name": "user", "type": {"type": "record", "name": "User", "fields": [{"name": "id", "type": "long"}]}},
        {"name": "type", "type": "string"},
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}


@pytest.fixture
def registry() -> Iterator[str]:
    with schema_registry(SmallRegistry()) as running:
        yield running.url


def test_avro_behind_a_registry(
    lapse_here: Lapse, tmp_path: Path, kafka: str, topics: FreshTopics, registry: str, onemsg: Sandbox
) -> None:
    topic = topics(2, about="shop")
    made = httpx.post(f"{registry}/subjects/{topic}-value/versions", json={"schema": json.dumps(SCHEMA)}).json()
    publish(kafka, topic, [b"\0" + struct.pack(">I", made["id"]) + avro(event(n)) for n in range(22)])
    blind = lapse_here("init", "--bootstrap", kafka, "--topic", topic, *FLAGS)
    assert blind.returncode == 1
    assert f"it was written with schema id {made['id']}: set --registry URL" in blind.stderr
    channel = ("--channel-id", onemsg.channel_id, "--base-url", onemsg.base_url, "--registry", registry)
    done = lapse_here("init", "--bootstrap", kafka, "--topic", topic, *FLAGS, *channel, ONEMSG_TOKEN=onemsg.token)
    assert done.returncode == 0, done.stderr
    assert "avro; looked at 22 events" in done.stdout
    checked = lapse_here("check", ONEMSG_TOKEN=onemsg.token)
    assert checked.returncode == 0, checked.stdout


def test_own_schema_asks_only_which_processes(
    lapse_here: Lapse, tmp_path: Path, kafka: str, topics: FreshTopics
) -> None:
    topic = topics(1, about="activity")
    native = {"user_id": "ann", "process": "sign-up", "kind": "STARTED", "occurred_at": int(time.time() * 1000)}
    publisher = Publisher(KafkaSettings(bootstrap_servers=kafka), SystemClock(), name="platform")
    publisher.publish([Output(topic, 0, b"ann", json.dumps(native).encode())])
    publisher.close()
    done = lapse_here("init", "--bootstrap", kafka, "--topic", topic, typed="1\n\n24h\n\n")
    assert done.returncode == 0, done.stdout + done.stderr
    settings = load(tmp_path / "lapse.yaml", {})
    assert settings.source.paths == {}
    assert settings.processes["sign-up"].action == "your sign up"


def avro(record: dict[str, Any]) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(SCHEMA), record)
    return out.getvalue()
