"""What the configuration takes as a description of a platform's own events, and what it says of half a one."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.activity.event_mapping import build_event_mapping
from consumer.activity.field_paths import NATIVE, build_field_paths
from consumer.config.loader import ConfigError, load

PATHS = {"user": "who.id", "time": "at"}
BARE = {"action": "order", "remind_after": ["2h"]}
NAMED = {**BARE, "active_on": ["viewed"], "complete_on": ["paid"]}


def problems(folder: Path, source: dict[str, Any], process: dict[str, Any], **environ: str) -> list[str]:
    file = folder / "lapse.yaml"
    file.write_text(yaml.safe_dump({"processes": {"checkout": process}, "source": source}))
    try:
        load(file, environ)
    except ConfigError as error:
        return [line.partition(": ")[2] for line in error.problems]
    return []


@pytest.mark.parametrize(
    ("source", "process"),
    [
        ({}, BARE),
        ({**PATHS, "event": "name"}, NAMED),
        ({**PATHS, "event": "name", "action": "props.words", "time_unit": "seconds"}, NAMED),
        ({**PATHS, "process": "flow", "kind": "kind"}, BARE),
        ({**PATHS, "process": "flow", "event": "name"}, BARE),
        ({**PATHS, "process": "flow", "event": "name"}, NAMED),
        ({**PATHS, "event": "name"}, {**BARE, "active_on": "viewed"}),
        ({**PATHS, "event": "name"}, {**BARE, "active_on": ["viewed, or added"]}),
        ({"schemas": ["a.avsc"], "records": "Track"}, BARE),
        ({"user": "$key", "time": "$timestamp", "event": "$header.ce_type", "format": "json"}, NAMED),
        ({"user": "ids[0].id", "time": "params[key=at].value", "event": "$record", "timezone": "Europe/Paris"}, NAMED),
    ],
)
def test_a_whole_description_is_taken(tmp_path: Path, source: dict[str, Any], process: dict[str, Any]) -> None:
    assert problems(tmp_path, source, process) == []


@pytest.mark.parametrize(
    ("source", "process", "said"),
    [
        ({"user": "who"}, BARE, "add user: … and time: …"),
        ({"event": "name"}, NAMED, "add user: … and time: …"),
        ({"action": "words"}, BARE, "add user: … and time: …"),
        (PATHS, BARE, "add event: …, the path of its name"),
        ({**PATHS, "process": "flow"}, BARE, "add kind: …"),
        ({**PATHS, "kind": "kind"}, BARE, "add process: …, the path of the process's name"),
        ({**PATHS, "process": "flow", "kind": "k", "event": "e"}, BARE, "remove one of them"),
        ({**PATHS, "event": "name"}, BARE, "processes.checkout would never start: add active_on"),
        ({}, NAMED, "processes.checkout names events, but source.event, the path of an event's name, is not set"),
        ({**PATHS, "process": "flow", "kind": "k"}, NAMED, "replace it by source.event"),
        ({**PATHS, "event": "who"}, NAMED, "user is the same path as event, or inside it"),
        ({**PATHS, "event": "at"}, NAMED, "each needs its own path"),
        ({**PATHS, "event": "name..first"}, NAMED, "source.event: write names joined by dots"),
        ({"time_unit": "seconds"}, BARE, "add user, time and event"),
        ({"time_unit": "minutes"}, BARE, "source.time_unit: should be"),
        ({"format": "json", "schemas": ["a.avsc"]}, BARE, "schemas and records are only for format: avro"),
        ({**PATHS, "event": "n"}, {**NAMED, "cancel_on": ["paid"]}, "complete_on and cancel_on name the same event"),
        ({**PATHS, "events": "name"}, NAMED, "unknown key; did you mean event?"),
        (
            {**PATHS, "event": "name"},
            {**BARE, "active_on": "viewed, added"},
            "is one text with a comma: write a list",
        ),
        ({**PATHS, "event": "$.name"}, NAMED, "source.event: write name: paths begin with the outermost name"),
        ({**PATHS, "event": "$timestamp"}, NAMED, "event cannot be $timestamp"),
        ({**PATHS, "user": "$record", "event": "name"}, NAMED, "user cannot be $record"),
        ({**PATHS, "event": "$record", "format": "json"}, NAMED, "JSON has none"),
        ({**PATHS, "event": "$key", "user": "$key.id"}, NAMED, "each needs its own path"),
        ({**PATHS, "event": "name", "timezone": "Mars/Base"}, NAMED, "source.timezone: 'Mars/Base' is not a time zone"),
    ],
)
def test_half_a_description_is_refused_with_what_to_add(
    tmp_path: Path, source: dict[str, Any], process: dict[str, Any], said: str
) -> None:
    found = problems(tmp_path, source, process)
    assert any(said in line for line in found), found


def test_the_environment_may_set_paths_and_names(tmp_path: Path) -> None:
    environ = {
        "LAPSE_SOURCE__USER": "who.id",
        "LAPSE_SOURCE__TIME": "at",
        "LAPSE_SOURCE__EVENT": "name",
        "LAPSE_PROCESSES__CHECKOUT__ACTIVE_ON": "viewed,paying",
    }
    assert problems(tmp_path, {}, BARE, **environ) == []
    settings = load(tmp_path / "lapse.yaml", environ)
    assert settings.processes["checkout"].active_on == ("viewed", "paying")
    expected = {"user_id": ("who", "id"), "occurred_at": ("at",), "event": ("name",)}
    assert build_field_paths(settings.source).paths == expected


def test_without_any_path_events_are_read_as_ours(tmp_path: Path) -> None:
    assert problems(tmp_path, {}, BARE) == []
    settings = load(tmp_path / "lapse.yaml", {})
    assert build_field_paths(settings.source) == NATIVE
    assert build_event_mapping(settings.source, settings.processes) is None
