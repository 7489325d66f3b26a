"""The chart, rendered by Helm itself, is what Kubernetes and the operators take, and Lapse starts from its settings.

Run by `make check`, which installs Helm's own library (a wheel with nothing to compile) and the schemas: the extra
`deploy`. `deploy/helm/lapse/ci/` has the values.
"""

import re
from collections.abc import Iterator
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import PrometheusRule, ServiceMonitor
from helm_python.chart import Chart, lint
from helm_python.errors import HelmValuesError
from kubernetes_validate import validate

from consumer.commands.run import required_secrets
from consumer.config.loader import load
from consumer.config.types import Role
from tests.deploy.test_rules import ALERTS

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "lapse"
SETS = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))
VERSIONS = [f"1.{minor}" for minor in range(30, 38)]
OPERATORS = {kind.__name__: kind for kind in (PrometheusRule, ScaledObject, ServiceMonitor)}
"""Kinds that are not Kubernetes' own, with their models."""

Object = dict[str, Any]


def values(name: str) -> Object:
    return dict(yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text()))


@cache
def objects(name: str) -> list[Object]:
    """Return what `helm install lapse` would make from these values."""
    with Chart.load(CHART) as chart:
        rendered = chart.render(values(name), name="lapse", namespace="reminders")
    texts = (text for file, text in rendered.items() if file.endswith(".yaml"))
    return [made for text in texts for made in yaml.safe_load_all(text) if made]


def of(name: str, kind: str) -> Iterator[Object]:
    return (made for made in objects(name) if made["kind"] == kind)


def distinct(*, operators: bool) -> list[Object]:
    """Return every object of every set once; most sets make some the same."""
    each = {yaml.safe_dump(made): made for name in SETS for made in objects(name)}
    return [made for made in each.values() if (made["kind"] in OPERATORS) == operators]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_lint_finds_nothing(name: str, version: str) -> None:
    found = lint(CHART, values(name), strict=True, kube_version=f"v{version}.0")
    assert found["errors"] == []
    assert [message["error"] for message in found["messages"]] == ["icon is recommended"]  # of level info


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_object(version: str) -> None:
    for made in distinct(operators=False):
        assert validate(made, version, strict=True) == version, made["metadata"]["name"]


def test_operators_take_every_object_of_theirs() -> None:
    """A model drops fields that it does not know, so what it gives back must be what it was given."""
    found = distinct(operators=True)
    assert {made["kind"] for made in found} == set(OPERATORS)
    for made in found:
        understood = OPERATORS[made["kind"]].model_validate(made)
        assert understood.model_dump(mode="json", by_alias=True, exclude_unset=True) == made


@pytest.mark.parametrize("role", ["detect", "deliver"])
@pytest.mark.parametrize("name", SETS)
def test_lapse_starts_from_the_settings(name: str, role: Role, tmp_path: Path) -> None:
    [settings] = of(name, "ConfigMap")
    (tmp_path / "lapse.yaml").write_text(settings["data"]["lapse.yaml"])
    [container] = pod(name, role)["containers"]
    environment = {each["name"]: each.get("value", f"lapse-{role}-0") for each in container["env"]}
    environment |= dict.fromkeys(_secrets_of_the_readme(), "a-long-secret-of-the-tests")
    loaded = load(tmp_path / "lapse.yaml", environment)
    assert loaded.kafka.instance == f"lapse-{role}-0"
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    assert ports["web"] == loaded.web.port
    assert ports.get("webhook") == (loaded.web.public.port if loaded.web.public else None)
    if name != "bare":  # whose secrets are files
        assert required_secrets(loaded, frozenset([role]), environment)


def _secrets_of_the_readme() -> set[str]:
    text = (CHART / "README.md").read_text()
    return set(re.findall(r"--from-literal=(\w+)=", text)) | {"REGISTRY_PASSWORD"}


def pod(name: str, role: str) -> Object:
    [found] = [made for made in of(name, "StatefulSet") if made["metadata"]["name"] == f"lapse-{role}"]
    return dict(found["spec"]["template"]["spec"])


@pytest.mark.parametrize("role", ["detect", "deliver"])
@pytest.mark.parametrize("name", SETS)
def test_pods_meet_the_restricted_security_standard(name: str, role: str) -> None:
    spec = pod(name, role)
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert {key for volume in spec["volumes"] for key in volume} <= {"name", "configMap", "secret", "emptyDir"}
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("name", SETS)
def test_services_and_monitor_and_budgets_select_the_pods(name: str) -> None:
    selectors = [made["spec"]["selector"] for made in of(name, "Service")]
    selectors += [made["spec"]["selector"]["matchLabels"] for made in of(name, "PodDisruptionBudget")]
    labels = [made["spec"]["template"]["metadata"]["labels"] for made in of(name, "StatefulSet")]
    for selector in selectors:
        assert len([each for each in labels if selector.items() <= each.items()]) == 1
    services = [made["metadata"]["labels"] for made in of(name, "Service")]
    for monitor in of(name, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        assert all(wanted.items() <= each.items() for each in services)


def test_rules_are_those_of_deploy_prometheus() -> None:
    [made] = of("full", "PrometheusRule")
    found = {rule["alert"] for group in made["spec"]["groups"] for rule in group["rules"] if "alert" in rule}
    assert found == set(ALERTS)


def test_keda_counts_the_replicas_alone() -> None:
    by_role = {made["metadata"]["name"]: made["spec"] for made in of("full", "StatefulSet")}
    assert "replicas" not in by_role["lapse-detect"]
    assert by_role["lapse-deliver"]["replicas"] == 4
    [scaled] = of("full", "ScaledObject")
    assert scaled["spec"]["minReplicaCount"] >= 1
    assert scaled["spec"]["scaleTargetRef"] == {"kind": "StatefulSet", "name": "lapse-detect"}


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/replicas", 3),
        ("/detect/replicas", 0),
        ("/keda/minReplicas", 0),
        ("/image/digest", "latest"),
        ("/web/port", 80),
        ("/config/ledger/url", "sqlite:///lapse.db"),
        ("/config/processes", {}),
        ("/config/web", {}),
        ("/config/web/port", 9999),
    ],
)
def test_wrong_values_are_refused_by_name(path: str, wrong: object) -> None:
    given = values("minimal")
    *parents, key = path.split("/")[1:]
    reduce(lambda each, name: each.setdefault(name, {}), parents, given)[key] = wrong
    named = path if parents else f"'{key}' not allowed"
    with Chart.load(CHART) as chart, pytest.raises(HelmValuesError, match=named):
        chart.render(given, name="lapse")


def test_nothing_is_made_without_settings_of_ones_own() -> None:
    """Helm puts values over the chart's, key by key: a process of the chart would be watched beside one's own."""
    with Chart.load(CHART) as chart:
        assert chart.values["config"] == {}
        with pytest.raises(HelmValuesError, match="/config"):
            chart.render(name="lapse")
