"""Processes of `lapse run --role deliver` for tests that take detect's place."""

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.app.service import Platform, Sandbox, Service, sandbox, settings
from tests.broker.topics import create_topics, fresh_name

PARTITIONS = 4
TIMEOUT_S = 150.0


@pytest.fixture
def names(kafka: str) -> str:
    prefix = fresh_name("replicas")
    admin = AdminClient({"bootstrap.servers": kafka})
    wanted = {"activity": 4, "contacts": 2, "reminders": 4}
    theirs = [NewTopic(f"{prefix}-{topic}", number, 1) for topic, number in wanted.items()]
    create_topics(admin, theirs)
    return prefix


@pytest.fixture
def channel(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with sandbox(*getattr(request, "param", ())) as running:
        yield running


class Detect:
    """Writes reminders, and every second a watermark for each partition, as detect does."""

    def __init__(self, bootstrap: str, platform: Platform) -> None:
        self._platform = platform
        self._topic = f"{platform.names}-reminders"
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "log_level": 0})
        self._stop = threading.Event()
        self._ticking = threading.Thread(target=self._tick)

    def write_due(self, user: str, process: str = "account-setup") -> None:
        now = _now()
        fields = {"reminder_id": str(uuid.uuid4()), "user_id": user, "process": process, "step": 0}
        self._write("DUE", hash(user) % PARTITIONS, fields | {"last_seen": now - 3_000, "lapsed_at": now})

    @contextmanager
    def running(self) -> Iterator[None]:
        self._ticking.start()
        try:
            yield
        finally:
            self._stop.set()
            self._ticking.join()
            self._producer.flush(10)

    def _tick(self) -> None:
        while not self._stop.wait(1.0):
            for partition in range(PARTITIONS):
                self._write("WATERMARK", partition, {})

    def _write(self, kind: str, partition: int, fields: dict[str, Any]) -> None:
        blank = dict.fromkeys(("reminder_id", "user_id", "process", "step", "action", "last_seen", "lapsed_at"))
        record = {**blank, **fields, "kind": kind, "occurred_at": _now(), "detected_at": _now()}
        self._producer.produce(self._topic, self._platform.bytes_of("reminder", record), b"", partition)
        self._producer.poll(0)


def deliver(bootstrap: str, channel: Sandbox, folder: Path, names: str, port: int, instance: str, url: str) -> Service:
    """Return one replica, not started. When it stops answering, its group expels it within seconds."""
    home = folder / instance
    home.mkdir()
    made = settings(bootstrap, channel, home, names, port)
    made["kafka"] |= {"instance": instance, "client": {"session.timeout.ms": 6000, "heartbeat.interval.ms": 1000}}
    made["ledger"] = {"url": url}
    made["policy"]["max_staleness"] = "2m"
    made["web"]["register_webhook"] = instance == "one"
    return Service(home, made, channel.info["token"])


def _now() -> int:
    return int(time.time() * 1000)
