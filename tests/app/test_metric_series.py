"""Every labelled counter has its series before anything has happened."""

from typing import Any

from prometheus_client import CollectorRegistry

from consumer.config.settings import Settings
from consumer.metrics import DeliverMetrics, DetectMetrics, ServiceMetrics
from consumer.reasons import records
from consumer.wiring.metric_series import start_deliver_series, start_detect_series, start_service_series

PROCESS = {"action": "your order", "remind_after": ["2h", "24h"], "active_on": ["viewed"]}
WEB = {"webhook_secret": {"env": "SECRET"}}
SOURCE = {"user": "who", "time": "at", "event": "name"}


def series(**changes: Any) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    settings = Settings.model_validate({"processes": {"checkout": PROCESS}, "source": SOURCE, "web": WEB, **changes})
    start_detect_series(DetectMetrics(registry), settings)
    start_deliver_series(DeliverMetrics(registry), settings)
    samples = (sample for metric in registry.collect() if metric.type == "counter" for sample in metric.samples)
    return {(s.name, *s.labels.values()): s.value for s in samples if s.name.endswith("_total")}


def test_every_counter_begins_at_zero_with_all_its_labels() -> None:
    found = series()
    assert set(found.values()) == {0}
    assert found.keys() >= {
        ("lapse_events_total", "blank"),
        ("lapse_source_paths_total", "user", "no"),
        ("lapse_lapses_total", "checkout", "1", "expired_held"),
        ("lapse_reminders_total", "checkout", "0", "DUE"),
        ("lapse_commit_failures_total", "fenced"),
        ("lapse_sends_total", "checkout", "accepted", ""),
        ("lapse_statuses_total", "checkout", "whatsapp", "delivered"),
        ("lapse_suppressions_total", "checkout", "suppressed", "no_opt_in"),
        ("lapse_webhooks_total", "bad_secret"),
        *(("lapse_dead_letters_total", "user-activity", reason) for reason in records.DEAD_LETTERS),
        *(("lapse_deliver_dead_letters_total", "contacts", reason) for reason in records.DEAD_LETTERS),
    }
    assert {key[0] for key in found} == {
        f"{metric.name}_total"
        for registry in [CollectorRegistry()]
        for made in [(DetectMetrics(registry), DeliverMetrics(registry))]
        for metric in registry.collect()
        if metric.type == "counter" and made
    }, "each counter is among them"


def test_webhooks_that_nobody_can_send_have_no_series() -> None:
    assert not [key for key in series(web={}) if key[0] == "lapse_webhooks_total"]


def test_build_info_names_version_and_roles() -> None:
    registry = CollectorRegistry()
    start_service_series(ServiceMetrics(registry), frozenset({"deliver", "detect"}))
    (built,) = (sample for metric in registry.collect() for sample in metric.samples if sample.value == 1)
    assert (built.name, built.labels["roles"]) == ("lapse_build_info", "deliver,detect")
    assert built.labels["version"]


def test_paths_are_those_that_are_configured() -> None:
    assert {key[1] for key in series() if key[0] == "lapse_source_paths_total"} == {"user", "time", "event"}
