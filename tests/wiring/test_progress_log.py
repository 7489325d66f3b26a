"""What `lapse run` tells in its log: that it is ready, its first message, and sums once a minute."""

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from consumer.clock import MINUTE, SECOND, ManualClock
from consumer.config.settings import Settings
from consumer.metrics import DeliverMetrics, DetectMetrics
from consumer.web.health import Health
from consumer.wiring.progress_log import ProgressLog, addresses

ADDRESSES = {"console": "http://127.0.0.1:8080/"}


class Service:
    """The parts and metrics that a process has, and what was logged since they were last looked at."""

    def __init__(self, logged: list[Any]) -> None:
        self.clock = ManualClock(0)
        self.health = Health(self.clock.monotonic)
        registry = CollectorRegistry()
        self.detect, self.deliver = DetectMetrics(registry), DeliverMetrics(registry)
        self.log = ProgressLog(self.health, registry, self.clock.monotonic)
        self.log.addresses = ADDRESSES
        self._logged = logged

    def says(self, after: int = SECOND) -> list[Any]:
        self._logged.clear()
        self.clock.advance(after)
        self.log.look()
        return [{name: value for name, value in each.items() if name != "log_level"} for each in self._logged]

    def says_at_the_end(self) -> list[str]:
        self._logged.clear()
        self.log.tell_rest()
        return [each["event"] for each in self._logged]


@pytest.fixture
def service() -> Iterator[Service]:
    with capture_logs() as logged:
        yield Service(logged)


def test_ready_is_told_once_with_all_addresses_when_every_part_has_started(service: Service) -> None:
    first, second = service.health.register("detect"), service.health.register("sender")
    first.ok()
    assert service.says() == []
    second.ok()
    assert service.says() == [{"event": "ready", **ADDRESSES}]
    second.failing("the ledger is away")
    assert service.says() == []
    second.ok()
    assert service.says() == []


def test_the_first_message_is_told_at_once_and_no_other(service: Service) -> None:
    service.says()
    service.deliver.sends.labels("checkout", "rejected", "credential").inc()
    assert service.says() == []
    service.deliver.sends.labels("checkout", "accepted", "").inc()
    assert service.says() == [{"event": "first_message_sent"}]
    service.deliver.sends.labels("checkout", "accepted", "").inc()
    assert service.says() == []


def test_sums_are_told_once_a_minute_by_outcome_and_reason(service: Service) -> None:
    service.says()
    service.detect.lapses.labels("checkout", 0, "asked").inc(3)
    service.detect.lapses.labels("checkout", 0, "skipped").inc()
    service.deliver.sends.labels("checkout", "accepted", "").inc(2)
    service.deliver.sends.labels("checkout", "unknown", "timeout").inc()
    service.deliver.suppressions.labels("checkout", "suppressed", "no_opt_in").inc(4)
    service.deliver.suppressions.labels("checkout", "cancelled", "returned").inc()
    assert [each["event"] for each in service.says(30 * SECOND)] == ["first_message_sent"]
    assert service.says(30 * SECOND) == [
        {
            "event": "progress",
            "lapses": {"asked": 3, "skipped": 1},
            "sent": 2,
            "not_sent": {"timeout": 1, "no_opt_in": 4, "returned": 1},
            "seconds": 61,
        }
    ]
    service.deliver.sends.labels("checkout", "accepted", "").inc()
    (line,) = service.says(MINUTE)
    assert (line["sent"], line["lapses"], line["not_sent"]) == (1, {}, {})


def test_the_rest_is_told_at_the_end(service: Service) -> None:
    service.says()
    service.deliver.sends.labels("checkout", "accepted", "").inc()
    assert service.says_at_the_end() == ["first_message_sent", "progress"]
    assert service.says_at_the_end() == []


def test_nothing_is_told_of_a_minute_in_which_nothing_happened(service: Service) -> None:
    service.says()
    assert service.says(MINUTE) == []


def test_addresses_have_no_secret() -> None:
    settings = Settings.model_validate(
        {
            "processes": {"checkout": {"action": "your order", "remind_after": ["2h"]}},
            "onemsg": {
                "channel_id": "CH1",
                "token": {"env": "TOKEN"},
                "template": {"name": "inactivity_reminder", "namespace": "ns"},
            },
            "ledger": {"url": "postgresql+psycopg://lapse:hunter2@db/lapse"},
            "web": {"webhook_secret": {"env": "SECRET"}, "public_url": "https://lapse.example.com/"},
        }
    )
    detect = {
        "console": "http://127.0.0.1:8080/",
        "metrics": "http://127.0.0.1:8080/metrics",
        "broker": "localhost:9092",
    }
    assert addresses(settings, "http://127.0.0.1:8080", delivers=False) == detect
    assert addresses(settings, "http://127.0.0.1:8080", delivers=True) == detect | {
        "webhook": "https://lapse.example.com/webhooks/1msg/…",
        "ledger": "postgresql+psycopg://lapse:***@db/lapse",
        "onemsg": "https://api.1msg.io",
    }
