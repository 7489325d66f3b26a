"""The example of a Segment-style stream does what its comments say."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from consumer.activity.decoder import Decoded
from consumer.clock import HOUR, Millis
from consumer.config.loader import ConfigError, load
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.source import SourceSettings
from consumer.config.settings import Settings
from consumer.records import Ending
from consumer.wiring.detect import decoder
from consumer.wiring.shared import Shared

from .writing import own_events

EXAMPLE = Path(__file__).parents[2] / "examples" / "segment-track"
NINE: Millis = 1_793_610_000_000
"""2026-11-02, 9:00 UTC."""


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(EXAMPLE / "lapse.yaml", {})


@pytest.fixture(scope="module")
def decoded(settings: Settings) -> Decoded:
    lines = (EXAMPLE / "events.jsonl").read_bytes().splitlines()
    recorded = np.full(len(lines), NINE + HOUR)
    return own_events(settings.source, settings.processes).decode(lines, recorded, NINE + HOUR)


def test_its_calls_are_about_the_processes_that_name_them(decoded: Decoded) -> None:
    assert decoded.frame.drop("index", "occurred_at", "written_at").rows() == [
        ("ann", "account-setup", Ending.NONE, None),
        ("ann", "checkout", Ending.NONE, "your blue lamp"),
        ("ann", "first-order", Ending.NONE, "your blue lamp"),
        ("bob", "checkout", Ending.NONE, None),
        ("bob", "checkout", Ending.NONE, None),
        ("ann", "account-setup", Ending.COMPLETED, None),
        ("ann", "first-order", Ending.NONE, None),
        ("bob", "checkout", Ending.COMPLETED, None),
        ("bob", "first-order", Ending.COMPLETED, None),
    ]
    assert decoded.frame["occurred_at"][0] == NINE
    assert decoded.frame["occurred_at"][1] == NINE + (4 * 60 + 30) * 1000 + 250


def test_visitors_other_calls_and_other_events_are_left_alone(decoded: Decoded) -> None:
    assert decoded.ignored == 4
    assert (decoded.bad, decoded.clamped) == ([], 0)


def test_who_stays_in_the_middle_of_something_is_asked_about(settings: Settings, decoded: Decoded) -> None:
    last = {}
    for user, process, ending in decoded.frame.select("user_id", "process", "ending").rows():
        last[user, process] = ending
    unfinished = {key for key, ending in last.items() if ending == Ending.NONE}
    assert unfinished == {("ann", "checkout"), ("ann", "first-order")}
    assert settings.processes["checkout"].action == "your order"


def test_the_service_reads_it_so(settings: Settings, decoded: Decoded) -> None:
    lines = (EXAMPLE / "events.jsonl").read_bytes().splitlines()
    served = decoder(Shared(settings)).decode(lines, np.full(len(lines), NINE + HOUR), NINE + HOUR)
    assert served.frame.equals(decoded.frame)
    assert served.ignored == decoded.ignored


def test_the_service_names_a_file_of_schemas_that_it_cannot_use(settings: Settings, tmp_path: Path) -> None:
    source = SourceSettings(schemas=(tmp_path / "absent.avsc",))
    processes = {"checkout": ProcessSettings(action="order", remind_after=(timedelta(hours=2),))}
    with pytest.raises(ConfigError, match=r"source\.schemas: .*absent\.avsc cannot be read"):
        decoder(Shared(settings.model_copy(update={"source": source, "processes": processes})))
