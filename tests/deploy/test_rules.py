"""Alert rules name metrics that exist, and each is tested firing and not firing.

`make check-deploy` lets promtool run those tests; this one needs Python alone.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from consumer.metrics import DeliverMetrics, DetectMetrics, ServiceMetrics

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES: list[dict[str, Any]] = [
    rule
    for file in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
    for group in yaml.load(file.read_text(), yaml.CSafeLoader)["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
TESTS: list[dict[str, Any]] = [
    test
    for file in sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
    for test in yaml.load(file.read_text(), yaml.CSafeLoader)["tests"]
]


def metric_names() -> set[str]:
    registry = CollectorRegistry()
    made = [ServiceMetrics(registry), DetectMetrics(registry), DeliverMetrics(registry)]
    names = {metric.name: metric.type for metric in registry.collect() if made}
    counters = {f"{name}_total" for name, kind in names.items() if kind == "counter"}
    parts = {f"{name}_{part}" for name, kind in names.items() if kind == "histogram" for part in ("bucket", "count")}
    return counters | parts | {name for name, kind in names.items() if kind == "gauge"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_rule_names_metrics_that_exist(rule: dict[str, Any]) -> None:
    recorded = {each["record"] for each in RULES if "record" in each}
    named = set(re.findall(r"\b(lapse_\w+|lapse:[\w:]+)", rule["expr"]))
    assert named or "job=" in rule["expr"]
    assert named <= metric_names() | recorded


@pytest.mark.parametrize("name", ALERTS)
def test_alert_has_a_test_that_fires_and_one_that_does_not(name: str) -> None:
    expected = [
        bool(each["exp_alerts"]) for test in TESTS for each in test["alert_rule_test"] if each["alertname"] == name
    ]
    assert set(expected) == {True, False}


def test_alerts_have_a_severity_that_somebody_routes() -> None:
    assert {rule["labels"]["severity"] for rule in ALERTS.values()} == {"page", "ticket"}


def test_the_chart_takes_the_same_rules() -> None:
    assert (DEPLOY / "helm" / "lapse" / "rules").resolve() == DEPLOY / "prometheus" / "rules"
