"""Two replicas of each role under load, replaced one after the other; afterwards everybody's messages are counted."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.app.service import Platform, Sandbox, Service, eventually, settings
from tests.broker.broker import free_ports
from tests.broker.topics import create_topics, fresh_name
from tests.faults.replicas import PARTITIONS, TIMEOUT_S

_INTERVAL_S = 0.3
_SENT_BETWEEN = 10
REPLICAS = ("deliver-1", "deliver-2", "detect-1", "detect-2")
"""In the order in which they are replaced: an old deliver may not understand what a new detect asks for."""


class Users:
    """Three times a second one more begins something; every third one finishes at once, the others fall silent."""

    def __init__(self, platform: Platform) -> None:
        self.silent: dict[str, str] = {}
        """By phone, the user of whom nothing more is heard."""
        self.finished: set[str] = set()
        """Phones."""
        self._platform = platform
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live)

    @contextmanager
    def living(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
            self._platform.flush()

    def _live(self) -> None:
        number = 0
        while not self._stop.wait(_INTERVAL_S):
            number += 1
            user, phone = f"user-{number}", f"346{number:05}999"  # the sandbox is kind to this ending
            self._platform.knows(user, name="Maria", phone=f"+{phone}")
            self._platform.says(user, "STARTED")
            if number % 3:
                self.silent[phone] = user
            else:
                self.finished.add(phone)
                self._platform.says(user, "COMPLETED")


class Fleet:
    """The replicas. They begin with the code in `tree`, which is ours unless it is named."""

    def __init__(
        self, bootstrap: str, channel: Sandbox, folder: Path, ledger_url: str, tree: Path | None = None
    ) -> None:
        names = fresh_name("rolling")
        new = [NewTopic(f"{names}-{topic}", PARTITIONS, 1) for topic in ("activity", "contacts")]
        create_topics(AdminClient({"bootstrap.servers": bootstrap}), new)
        self.channel = channel
        self.platform = Platform(bootstrap, names)
        self.users = Users(self.platform)
        self._services: dict[str, Service] = {}
        for name, port in zip(REPLICAS, free_ports(len(REPLICAS)), strict=True):
            (folder / name).mkdir()
            ours = settings(bootstrap, channel, folder / name, names, port)
            ours["kafka"] |= {"instance": name, "client": {"session.timeout.ms": 10_000, "heartbeat.interval.ms": 1000}}
            ours["ledger"] = {"url": ledger_url}
            ours["policy"]["max_staleness"] = "2m"
            ours["detect"]["brake"] = {"share_of_mean": 0.001}
            ours["web"]["register_webhook"] = name == "deliver-1"
            self._services[name] = Service(folder / name, ours, channel.info["token"])
            self._services[name].tree = tree

    def replace_all(self, tree: Path | None = None, report: Callable[[str], object] = lambda name: None) -> None:
        """Start all, then stop each in order, once more people have a message, and start its successor from `tree`."""
        with self.users.living():
            self._start("deliver-1")  # alone, since it makes the topics and the tables
            with ThreadPoolExecutor() as pool:
                list(pool.map(self._start, REPLICAS[1:]))
            for number, name in enumerate(REPLICAS, 1):
                self._wait_until_sent(_SENT_BETWEEN * number)
                assert self._services[name].stop() == 0, self._services[name].log[-3000:]
                self._services[name].tree = tree
                self._start(name)
                report(name)
            self._wait_until_sent(_SENT_BETWEEN * (len(REPLICAS) + 1))

    def sent(self) -> Counter[str]:
        """Return how many messages went to each phone."""
        return Counter(message["phone"].lstrip("+") for message in self.channel.messages())

    def _wait_until_sent(self, how_many: int) -> None:
        eventually(lambda: len(self.sent()) >= how_many, TIMEOUT_S, meaning=f"{how_many} people have a message")

    def _wait_until_all_have_one(self) -> None:
        def all_have_one() -> bool:
            return self.users.silent.keys() <= self.sent().keys()

        eventually(all_have_one, TIMEOUT_S, meaning="everybody who fell silent has a message")

    def assert_nothing_lost_or_doubled(self) -> None:
        self._wait_until_all_have_one()
        sent = self.sent()
        assert sent.keys() == self.users.silent.keys(), "whoever finished has none"
        assert set(sent.values()) == {1}
        statuses = self.platform.reads("delivery_status", "delivery_status")

        # Not as read: who was read while no webhook listened is not asked for again.
        def delivered_by_user() -> Mapping[str, set[str]]:
            found = defaultdict(set)
            for record in statuses.so_far():
                if record["status"] in {"delivered", "read"}:
                    found[record["user_id"]].add(record["reminder_id"])
            return found

        users = set(self.users.silent.values())
        eventually(lambda: delivered_by_user().keys() >= users, TIMEOUT_S, meaning="every message is told as delivered")
        assert all(len(reminders) == 1 for reminders in delivered_by_user().values())
        for life in statuses.lives().values():
            firsts = list(dict.fromkeys(record["sequence"] for record in life))
            assert firsts == sorted(firsts)
        letters: list[dict[str, Any]] = self.platform.reads("dead_letters", "delivery_status").so_far()
        assert letters == []

    def stop(self) -> None:
        for service in self._services.values():
            if service.process is not None and service.process.poll() is None:
                service.kill()

    def _start(self, name: str) -> None:
        self._services[name].launch("--role", name.split("-")[0])
        eventually(self._services[name].ready, 2 * TIMEOUT_S, meaning=f"{name} is ready")
