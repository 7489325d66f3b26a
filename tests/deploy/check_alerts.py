"""Each fault is made, the alert fires in a real Prometheus, the fault is mended, and the alert ends.

Run by `make check-deploy`, since Prometheus is not on PyPI. Durations are 60 times shorter than in the rules. At
the end a table says for each fault how many seconds passed until the alert fired, and until it had ended.
"""

import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from tests.app.service import SECRET, Platform, Sandbox, Service, eventually, sandbox, settings
from tests.broker.broker import Broker
from tests.broker.find import PAUSABLE, own_broker
from tests.deploy.prometheus import Prometheus, prometheus
from tests.deploy.test_dashboards import queries
from tools.make_dashboards import DASHBOARDS

FACTOR = 60
TIMEOUT_S = 200
NAMES = "alerts"


def register(channel: Sandbox, *urls: str) -> None:
    """Replace the addresses to which the channel reports, and have it report."""
    base, bearer = f"{channel.info['base_url']}/{channel.info['channel_id']}", channel.info["token"]
    for path, body in (("webhook", {"webhookUrl": list(urls)}), ("settings", {"ackNotificationsOn": True})):
        answer = httpx.post(f"{base}/{path}", headers={"Authorization": f"Bearer {bearer}"}, json=body)
        assert answer.is_success, answer.text
    assert len(channel.webhooks()) == len(urls)


class Feeder:
    """Writes, once in half a second, that somebody new began something and is never heard of again."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.runs = threading.Event()
        self.ending = ""
        """Last digits of their phone numbers; some choose what the sandbox does (0001 to 0030, see its fates)."""
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
        while not self._ended.wait(0.5):
            if self.runs.is_set():
                number += 1
                user, ending = f"user-{number}", self.ending or f"{5_000 + number % 5_000}"
                self._platform.knows(user, name="Ana", phone=f"+346{number:04d}{ending}")
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
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        service = Service(folder, settings(broker.bootstrap, channel, folder, NAMES, port), channel.info["token"])
        service.change("detect", brake={"floor": 0.5, "share_of_mean": None, "window": "10s"}, hush="3s")
        service.change("onemsg", look_every="1s")
        service.change("tracking", give_up_after="60s")
        service.change("web", register_webhook=False)  # so that the list stays as the faults make it
        register(channel, f"{service.url}/webhooks/1msg/{SECRET}")
        service.start()
        stack.callback(_end, service)
        platform = Platform(broker.bootstrap, NAMES)
        feeder = stack.enter_context(Feeder(platform))
        running = stack.enter_context(prometheus(folder, f"127.0.0.1:{port}", factor=FACTOR))
        eventually(lambda: len(channel.messages()) >= 3, TIMEOUT_S, meaning="messages flow")
        yield World(broker, admin, channel, service, platform, feeder, running)


def _end(service: Service) -> None:
    if service.process is not None and service.process.poll() is None:
        service.kill()


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    rows: list[str] = []
    yield rows
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(*["", "| fault | alert | fired after | ended after |", "|---|---|---|---|", *rows], sep="\n")


Fault = Callable[[World], Iterator[None]]


def broker_away(world: World) -> Iterator[None]:
    world.feeder.runs.clear()  # its producer's queue would else time out
    world.broker.pause()
    yield
    world.broker.resume()
    world.feeder.runs.set()


def wrong_token(world: World) -> Iterator[None]:
    world.service.stop()
    right, world.service._environment["ONEMSG_TOKEN"] = world.channel.info["token"], "a-token-of-somebody-else"
    world.service.start()
    yield
    world.service.stop()
    world.service._environment["ONEMSG_TOKEN"] = right
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
]
"""What is made, and the alerts that have to fire, with labels."""


@pytest.mark.parametrize(("fault", "alerts"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_alert_fires_and_ends(fault: Fault, alerts: dict[str, dict[str, str]], world: World, table: list[str]) -> None:
    quiet = _wait_for_each(world, alerts, fires=False)
    assert quiet
    made = fault(world)
    next(made)
    try:
        fired = _wait_for_each(world, alerts, fires=True)
    finally:
        next(made, None)
    ended = _wait_for_each(world, alerts, fires=False)
    name = fault.__name__.replace("_", " ")
    table += [f"| {name} | {alert} | {fired[alert]:.0f} s | {ended[alert]:.0f} s |" for alert in alerts]


def _wait_for_each(world: World, alerts: dict[str, dict[str, str]], *, fires: bool) -> dict[str, float]:
    """Return after how many seconds each alert fired, or had ended and was not pending either."""
    began, after = time.monotonic(), dict[str, float]()

    def all_done() -> bool:
        for alert, labels in alerts.items():
            states = world.prometheus.states(alert, **labels)
            if alert not in after and ("firing" in states if fires else not states):
                after[alert] = time.monotonic() - began
        return len(after) == len(alerts)

    eventually(all_done, TIMEOUT_S, meaning=f"{alerts} {'fire' if fires else 'end'}; so far {after}")
    return after


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
    meant = {alert for _, alerts in FAULTS for alert in alerts}
    eventually(lambda: not any(map(world.prometheus.states, meant)), TIMEOUT_S, meaning="all have ended")
