"""Every alert has its section of the runbook, and what the runbook has people type and look at exists."""

import re
from itertools import takewhile

import pytest
import typer.main
from typer.core import TyperArgument, TyperGroup

from consumer.cli import app
from tests.deploy.test_rules import ALERTS, DEPLOY, metric_names

RUNBOOK = (DEPLOY.parent / "deploy/RUNBOOK.md").read_text()
SPANS = sorted(set(re.findall(r"`([^`\n]+)`", RUNBOOK)))
QUESTIONS = ("**Means**", "**The client notices**", "**Look**", "**Do**", "**Safe to do nothing**")


@pytest.mark.parametrize("name", ALERTS)
def test_alert_links_to_its_section_which_answers_every_question(name: str) -> None:
    assert ALERTS[name]["annotations"]["runbook_url"] == f"deploy/RUNBOOK.md#{name.lower()}"
    section = RUNBOOK.partition(f"### {name}\n")[2].partition("\n### ")[0]
    answers = re.split(r"(\*\*[A-Z][a-z ]+\*\*)", section)
    assert [word for word in answers if word in QUESTIONS] == list(QUESTIONS)
    assert all(len(answer.strip()) > 5 for answer in answers[2::2])


def test_no_section_is_of_an_alert_that_is_gone() -> None:
    assert set(re.findall(r"^### (Lapse\w+)$", RUNBOOK, re.M)) == set(ALERTS)
    assert set(re.findall(r"\bLapse[A-Z]\w+", RUNBOOK)) == set(ALERTS)


@pytest.mark.parametrize("line", [span for span in SPANS if re.match(r"lapse [a-z]", span)])
def test_command_exists_with_its_options(line: str) -> None:
    words, command = line.split()[1:], typer.main.get_command(app)
    while isinstance(command, TyperGroup):
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    arguments = [parameter for parameter in command.params if isinstance(parameter, TyperArgument)]
    assert len(list(takewhile(lambda word: not word.startswith("--"), words))) <= len(arguments)


def test_metrics_exist() -> None:
    metrics = {span for span in SPANS if re.fullmatch(r"lapse_\w+", span)}
    assert len(metrics) > 5
    assert metrics <= metric_names() | {name.removesuffix("_count") for name in metric_names()}


def test_reasons_settings_and_log_events_exist() -> None:
    source = " ".join(path.read_text() for path in (DEPLOY.parent / "consumer").rglob("*.py"))
    said = {span for span in SPANS if re.fullmatch(r"[a-z]+(_[a-z]+)+", span)} - {"pg_stat_activity"}
    assert len(said) > 10
    assert said <= set(re.findall(r"\w+", source)) | metric_names()
