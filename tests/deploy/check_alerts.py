"""Each fault is made, the alert fires, Alertmanager tells of it, the fault is mended, and the alert ends.

Run by `make check-deploy`, since Prometheus and Alertmanager are not on PyPI. Durations are 60 times shorter than in
the rules, and those of hours and days shorter still. At the end a table says for each fault how many seconds passed
until the alert had fired and somebody was told, and until it had ended and they were told.
"""

import re
import secrets
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from tests.app.service import SECRET, Platform, Sandbox, Service, eventually, sandbox, settings
from tests.broker.broker import Broker, free_ports
from tests.broker.find import PAUSABLE, own_broker
from tests.deploy.prometheus import Prometheus, Receiver, alertmanager, prometheus
from tests.deploy.test_dashboards import queries
from tests.deploy.test_rules import ALERTS
from tools.make_dashboards import DASHBOARDS

FACTOR = 60
DAYS = 3_600
FACTORS = {
    "LapseNothingLapses": DAYS,
    "LapsePausedForLong": DAYS,
    "LapseConsentStale": DAYS,
    "LapseRestarting": 15,  # a start takes seconds
    "LapseLedgerErrors": 2,  # a try waits for the lock for seconds, too
    **{f"lapse-objective-{name}": 240 for name in ("late-sends", "false-positives", "unreported")},
}
"""Alerts and groups whose durations are shortened by another factor."""
TIMEOUT_S = 400
NAMES = "alerts"


def register(channel: Sandbox, *urls: str) -> None:
    """Replace the addresses to which the channel reports, and have it report."""
    base, bearer = f"{channel.info['base_url']}/{channel.info['channel_id']}", channel.info["token"]
    for path, body in (("webhook", {"webhookUrl": list(urls)}), ("settings", {"ackNotificationsOn": True})):
        answer = httpx.post(f"{base}/{path}", headers={"Authorization": f"Bearer {bearer}"}, json=body)
        assert answer.is_success, answer.text
    assert len(channel.webhooks()) == len(urls)


class Feeder:
    """Writes, four times a second, that somebody new began something and is never heard of again."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.runs = threading.Event()
        self.ending = ""
        """Last digits of their phone numbers; some choose what the sandbox does (0001 to 0030, see its fates)."""
        self.writes_contacts = True
        self.stay_active = False
        """The same twenty people are active again and again, and nobody else."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._feed)

    def __enter__(self) -> "Feeder":
        self.runs.set()
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        self._thread.join()

    def _feed(self) -> None:
        number = 0
        while not self._ended.wait(0.25):
            if not self.runs.is_set():
                continue
            if self.stay_active:
                for n in range(20):
                    self._platform.says(f"busy-{n}", "PROGRESSED")
                continue
            number += 1
            self._begins(number)

    def _begins(self, number: int) -> None:
        user, ending = f"user-{number}", self.ending or f"{5_000 + number % 5_000}"
        if self.writes_contacts:
            self._platform.knows(user, name="Ana", phone=f"+346{number:04d}{ending}")
        else:
            user = f"user-{1 + number % 10}"
        self._platform.says(user, "STARTED")


@dataclass
class World:
    """A service at work, what it needs, and a Prometheus that looks at it."""

    broker: Broker
    admin: AdminClient
    channel: Sandbox
    service: Service
    platform: Platform
    feeder: Feeder
    prometheus: Prometheus
    receiver: Receiver

    def sandbox(self, path: str, **body: object) -> None:
        answer = httpx.post(f"{self.channel.info['base_url']}/_sandbox/{path}", json=body)
        assert answer.is_success, answer.text


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("alerts")
    with ExitStack() as stack:
        broker = stack.enter_context(own_broker(PAUSABLE))
        theirs = [NewTopic(f"{NAMES}-activity", 2, 1), NewTopic(f"{NAMES}-contacts", 1, 1)]
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        for created in admin.create_topics(theirs).values():
            created.result(60)
        channel = stack.enter_context(sandbox())
        [port] = free_ports(1)
        service = Service(folder, settings(broker.bootstrap, channel, folder, NAMES, port), channel.info["token"])
        service.change("detect", brake={"floor": 0.5, "share_of_mean": None, "window": "10s"}, hush="3s")
        service.change("onemsg", look_every="1s", timeout="10s")
        service.change("tracking", give_up_after="30s")
        service.change("web", register_webhook=False)  # so that the list stays as the faults make it
        register(channel, f"{service.url}/webhooks/1msg/{SECRET}")
        service.start()
        stack.callback(_end, service)
        platform = Platform(broker.bootstrap, NAMES)
        feeder = stack.enter_context(Feeder(platform))
        address, receiver = stack.enter_context(alertmanager(folder))
        running = stack.enter_context(prometheus(folder, f"127.0.0.1:{port}", address, FACTORS, FACTOR))
        eventually(lambda: len(channel.messages()) >= 3, TIMEOUT_S, meaning="messages flow")
        yield World(broker, admin, channel, service, platform, feeder, running, receiver)


def _end(service: Service) -> None:
    if service.process is not None and service.process.poll() is None:
        service.kill()


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    rows: list[str] = []
    yield rows
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        head = "| fault | alert | fired after | told after | ended after | told after |"
        print(*["", head, "|---|---|---|---|---|---|", *rows], sep="\n")


Fault = Callable[[World], Iterator[None]]


def broker_away(world: World) -> Iterator[None]:
    world.feeder.runs.clear()  # its producer's queue would else time out
    world.broker.pause()
    yield
    world.broker.resume()
    world.feeder.runs.set()


def wrong_token(world: World) -> Iterator[None]:
    world.service.stop()
    right, world.service.environment["ONEMSG_TOKEN"] = world.channel.info["token"], "a-token-of-somebody-else"
    world.service.start()
    yield
    world.service.stop()
    world.service.environment["ONEMSG_TOKEN"] = right
    world.service.start()


def template_paused(world: World) -> Iterator[None]:
    world.sandbox("templates", name=world.channel.info["template"], status="PAUSED")
    yield
    world.sandbox("templates", name=world.channel.info["template"], status="approved")


def paused_sandbox(world: World) -> Iterator[None]:
    world.channel.process.send_signal(signal.SIGSTOP)
    yield
    world.channel.process.send_signal(signal.SIGCONT)
    settle_all(world)


def input_stops(world: World) -> Iterator[None]:
    world.feeder.runs.clear()
    yield
    world.feeder.runs.set()


def topic_gone(world: World) -> Iterator[None]:
    topic = f"{NAMES}-delivery_status"
    for deleted in world.admin.delete_topics([topic]).values():
        deleted.result(30)
    yield
    for created in world.admin.create_topics([NewTopic(topic, 1, 1)]).values():
        created.result(30)


def unreadable_records(world: World) -> Iterator[None]:
    for _ in range(3):
        world.platform.write_bytes("activity", b"maria", b"these bytes mean nothing")
    yield


def unreadable_input(world: World) -> Iterator[None]:
    for _ in range(500):
        world.platform.write_bytes("activity", b"maria", b"these bytes mean nothing")
    yield
    assert world.service.command("brake", "release").returncode == 0


def killed(world: World) -> Iterator[None]:
    world.service.kill()
    yield
    world.service.start()
    settle_all(world)


def registered_twice(world: World) -> Iterator[None]:
    (ours,) = world.channel.webhooks()
    register(world.channel, ours, ours.replace("127.0.0.1", "localhost"))
    yield
    register(world.channel, ours)


def webhook_lost(world: World) -> Iterator[None]:
    (ours,) = world.channel.webhooks()
    register(world.channel, ours.replace("webhooks", "elsewhere"))
    yield
    register(world.channel, ours)


def nobody_is_on_whatsapp(world: World) -> Iterator[None]:
    world.feeder.ending = "0001"
    yield
    world.feeder.ending = ""


def everybody_is_refused(world: World) -> Iterator[None]:
    world.feeder.ending = "0018"
    yield
    world.feeder.ending = ""


def queued_for_ever(world: World) -> Iterator[None]:
    world.feeder.ending = "0022"
    yield
    world.feeder.ending = ""
    settle_all(world)


def settle_all(world: World) -> None:
    """Have an operator say of everything in doubt that it was sent."""

    def all_settled() -> bool:  # some are still searched for
        world.service.command("resolve", "--since", "2026-01-01T00:00Z", "--until", "2100-01-01T00:00Z", "--sent")
        return not world.prometheus.query("max(lapse_unresolved + lapse_unknown_sends) > 0")

    eventually(all_settled, TIMEOUT_S, meaning="nothing is in doubt any more")


def no_target(world: World) -> Iterator[None]:
    world.prometheus.scrape(None)
    yield
    world.prometheus.scrape(world.service.url.removeprefix("http://"))


def crash_loop(world: World) -> Iterator[None]:
    for _ in range(4):
        world.service.kill()
        world.service.start()
        started = world.service.metric("process_start_time_seconds")
        eventually(lambda: _seen(world, started), meaning="Prometheus has seen it start")  # noqa: B023
    yield
    settle_all(world)


def _seen(world: World, started: float) -> bool:
    return any(
        float(each["value"][1]) == started for each in world.prometheus.query('process_start_time_seconds{job="lapse"}')
    )


def everybody_stays_active(world: World) -> Iterator[None]:
    world.feeder.stay_active = True
    yield
    world.feeder.stay_active = False


def paused_by_somebody(world: World) -> Iterator[None]:
    assert world.service.command("pause", "checkout").returncode == 0
    yield
    assert world.service.command("resume", "checkout").returncode == 0


def changed(world: World, section: str, **keys: object) -> None:
    """Restart with other settings."""
    world.service.stop()
    world.service.change(section, **keys)
    world.service.start()


def rate_too_low(world: World) -> Iterator[None]:
    changed(world, "onemsg", rate=2)
    yield
    changed(world, "onemsg", rate=80)


def hardly_any_rate(world: World) -> Iterator[None]:
    changed(world, "onemsg", rate=0.02)
    yield
    changed(world, "onemsg", rate=80)


def ledger_locked(world: World) -> Iterator[None]:
    with closing(sqlite3.connect(world.service.folder / "lapse.db", timeout=60, isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        yield
        somebody.execute("ROLLBACK")
    settle_all(world)


def records_too_large(world: World) -> Iterator[None]:
    """Ids of 250 bytes, beside others: each is a record's key and in its value."""
    world.feeder.stay_active = True  # so that few records share a batch, whose size the broker judges
    drained = "max(lapse_outbox_backlog) == 0 and max(lapse_oldest_due_reminder_seconds) == 0"
    eventually(lambda: world.prometheus.query(drained), TIMEOUT_S, meaning="all is published")
    limit_records(world, AlterConfigOpType.SET)
    for number in range(3):
        for user in (
            f"long-{number}-" + secrets.token_urlsafe(180),
            f"short-{number}",
        ):  # what is repeated is compressed
            world.platform.knows(user, name="Ana", phone=f"+3461{len(user):03}7{number}000")
            world.platform.says(user, "STARTED")
    yield
    world.feeder.stay_active = False
    limit_records(world, AlterConfigOpType.DELETE)
    world.service.stop()
    world.service.start()


def limit_records(world: World, operation: AlterConfigOpType) -> None:
    entry = ConfigEntry("max.message.bytes", "400", incremental_operation=operation)
    topic = ConfigResource(ResourceType.TOPIC, f"{NAMES}-delivery_status", incremental_configs=[entry])
    for altered in world.admin.incremental_alter_configs([topic]).values():
        altered.result(30)


def contacts_stop(world: World) -> Iterator[None]:
    world.feeder.writes_contacts = False
    yield
    world.feeder.writes_contacts = True


def producers_write_late(world: World) -> Iterator[None]:
    """Everybody came back before their message left, which is written only afterwards."""
    ended, statuses = threading.Event(), world.platform.reads("delivery_status", "delivery_status")
    began = datetime.now(UTC)

    def write() -> None:
        told = set[str]()
        while not ended.wait(0.2):
            for each in statuses.so_far():
                if each["status"] == "accepted" and each["lapsed_at"] > began and each["user_id"] not in told:
                    told.add(each["user_id"])
                    world.platform.says(
                        each["user_id"], "PROGRESSED", occurred_at=each["lapsed_at"] + timedelta(milliseconds=100)
                    )

    writing = threading.Thread(target=write)
    writing.start()
    yield
    ended.set()
    writing.join()
    statuses.close()


def nothing_is_reported(world: World) -> Iterator[None]:
    world.feeder.ending = "0004"
    yield
    world.feeder.ending = ""


FAULTS: list[tuple[Fault, dict[str, dict[str, str]]]] = [
    (unreadable_records, {"LapseDeadLetters": {"reason": "unframed"}}),
    (input_stops, {"LapseBrakeEngaged": {"reason": "below_floor"}}),
    (template_paused, {"LapseTemplateUnusable": {}, "LapseSendingBlocked": {"reason": "template_unusable"}}),
    (wrong_token, {"LapseSendingBlocked": {"reason": "credential"}}),
    (registered_twice, {"LapseWebhookRegisteredTwice": {}}),
    (webhook_lost, {"LapseWebhookSilent": {}}),
    (nobody_is_on_whatsapp, {"LapseDeliveryFailureShare": {}}),
    (everybody_is_refused, {"LapseSendFailureShare": {}}),
    (topic_gone, {"LapseOutboxBacklog": {}}),
    (killed, {"LapseTargetDown": {}, "LapseDeliverAbsent": {}, "LapseWatermarkAbsent": {}}),
    (broker_away, {"LapseWatermarkDelayed": {}}),
    (paused_sandbox, {"LapseUnknownSends": {}, "LapseCircuitBreakerOpen": {"channel": "whatsapp"}}),
    (queued_for_ever, {"LapseUnresolvedSends": {}}),
    (no_target, {"LapseNotScraped": {}}),
    (unreadable_input, {"LapsePartitionsStopped": {}}),
    (crash_loop, {"LapseRestarting": {}}),
    (everybody_stays_active, {"LapseNothingLapses": {}}),
    (paused_by_somebody, {"LapsePausedForLong": {"process": "checkout"}}),
    (hardly_any_rate, {"LapseOldestDueReminder": {}, "LapseNothingSent": {}}),
    (rate_too_low, {"LapseLateSendsFast": {}, "LapseLateSendsSlow": {}}),
    (ledger_locked, {"LapseLedgerErrors": {}, "LapseContactsUnread": {}}),
    (records_too_large, {"LapseOutboxRefused": {"topic": "delivery_status"}}),
    (contacts_stop, {"LapseConsentStale": {}}),
    (producers_write_late, {"LapseFalsePositivesFast": {}, "LapseFalsePositivesSlow": {}}),
    (nothing_is_reported, {"LapseUnreportedFast": {}, "LapseUnreportedSlow": {}}),
]
"""What is made, and the alerts that have to fire, with labels."""


def test_every_alert_has_its_fault() -> None:
    assert {alert for _, alerts in FAULTS for alert in alerts} == set(ALERTS)


@pytest.mark.parametrize(("fault", "alerts"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_alert_fires_and_ends(fault: Fault, alerts: dict[str, dict[str, str]], world: World, table: list[str]) -> None:
    _wait_for_each(world, alerts, fires=False, told=False)
    world.receiver.forget()
    made = fault(world)
    began = time.monotonic()
    next(made)
    try:
        fired = _wait_for_each(world, alerts, fires=True, began=began)
    finally:
        next(made, None)
    ended = _wait_for_each(world, alerts, fires=False)
    name = fault.__name__.replace("_", " ")
    for alert in alerts:
        seconds = " | ".join(f"{each:.0f} s" for each in (*fired[alert], *ended[alert]))
        table.append(f"| {name} | {alert} | {seconds} |")


def _wait_for_each(
    world: World, alerts: dict[str, dict[str, str]], *, fires: bool, told: bool = True, began: float | None = None
) -> dict[str, tuple[float, float]]:
    """Return after how many seconds each alert fired or was over, and after how many somebody was told of that."""
    began = time.monotonic() if began is None else began
    after, told_after = dict[str, float](), dict[str, float]()

    def all_done() -> bool:
        for alert, labels in alerts.items():
            states = world.prometheus.states(alert, **labels)
            if alert not in after and ("firing" in states if fires else not states):
                after[alert] = time.monotonic() - began
            receiver, status = ALERTS[alert]["labels"]["severity"], "firing" if fires else "resolved"
            if alert not in told_after and (not told or world.receiver.last_told(receiver, alert, **labels) == status):
                told_after[alert] = time.monotonic() - began
        return len(after) == len(told_after) == len(alerts)

    eventually(all_done, TIMEOUT_S, meaning=("fires" if fires else "ends", alerts, "so far", after, told_after))
    return {alert: (after[alert], told_after[alert]) for alert in alerts}


def test_every_query_of_the_dashboards_is_answered(world: World) -> None:
    """Those that compare show nothing while all is well; all others show something."""
    empty = [
        query
        for name in DASHBOARDS
        for query in queries(name)
        if not world.prometheus.query(query) and not re.search(r" [>=]=? [01]\b", query)
    ]
    assert empty == []


def test_no_alert_fires_without_a_fault(world: World) -> None:
    active = set(ALERTS)

    def all_have_ended() -> bool:
        active.intersection_update([alert for alert in ALERTS if world.prometheus.states(alert)])
        return not active

    eventually(all_have_ended, TIMEOUT_S, meaning=active)
