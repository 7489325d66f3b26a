"""The dashboards are those of the script, and ask for series that exist. `make check-deploy` runs each query."""

import json
import re
from typing import Any

import pytest

from tools.make_dashboards import DASHBOARDS, FOLDER, make

from .test_rules import RULES, metric_names


def queries(name: str) -> list[str]:
    panels: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboard_is_up_to_date(name: str) -> None:
    title, rows = DASHBOARDS[name]
    assert (FOLDER / f"{name}.json").read_text() == make(name, title, rows)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_queries_name_series_that_exist(name: str) -> None:
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    named = {each for query in queries(name) for each in re.findall(r"\b(lapse_\w+|lapse:[\w:]+)", query)}
    assert len(named) > 5
    assert named <= metric_names() | recorded


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_and_targets_can_be_told_apart(name: str) -> None:
    panels = json.loads((FOLDER / f"{name}.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        letters = [target["refId"] for target in panel.get("targets", [])]
        assert len(set(letters)) == len(letters)


def test_every_recorded_objective_is_shown() -> None:
    shown = " ".join(queries("business"))
    assert {rule["record"].split(":")[1] for rule in RULES if "record" in rule} <= set(
        re.findall(r"lapse:(\w+):", shown)
    )
