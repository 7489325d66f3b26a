"""How the configuration speaks of events that are not ours: paths into them, and what a set of paths still lacks."""

import re
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

PATHS = ("user", "time", "process", "kind", "action", "event")
"""Keys of `source`."""


def names_in(path: str) -> tuple[str, ...]:
    """The names that a dotted path goes through, outermost first; a dot within a name is written as `\\.`."""
    return tuple(name.replace("\\.", ".") for name in re.split(r"(?<!\\)\.", path))


def _event_path(value: str) -> str:
    if not all(names_in(value)):
        raise ValueError("write names joined by dots, such as context.user.id")
    return value


EventPath = Annotated[str, AfterValidator(_event_path)]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)]
"""Names; a single one need not be a list."""


def paths_problem(paths: Mapping[str, str]) -> str | None:
    """What is wrong with these paths of a mapping (by their keys of `source`), and what to do; None if nothing is."""
    if not {"user", "time"} <= paths.keys():
        return (
            "events of your own schema need a user and a time: add user: … and time: …, each a dotted path"
            " (without any path they are read as user_activity.avsc has them)"
        )
    if "kind" in paths and "process" not in paths:
        return "kind alone does not say of what: add process: …, where an event names the process"
    if not {"process", "event"} & paths.keys():
        return (
            "what is an event about? Add event: …, where its name is (active_on and complete_on of the processes say"
            " what it means), or process: … and kind: …"
        )
    if not {"kind", "event"} & paths.keys():
        return (
            "what happened in the process? Add kind: …, where it says STARTED, PROGRESSED, COMPLETED or CANCELLED,"
            " or event: …, where the event's name is (and complete_on to the processes)"
        )
    if {"kind", "event"} <= paths.keys():
        return "kind and event both say what happened: keep one of them"
    return _overlap(paths)


def events_problem(paths: Mapping[str, str], process: str, active: Sequence[str], closing: Sequence[str]) -> str | None:
    """What is wrong with the names of events that a process has, beside these paths."""
    if "event" in paths:
        if active or "process" in paths:
            return None
        return (
            f"processes.{process} would never begin: add active_on, the names of the events (source.event) that show a"
            " user at work on it"
        )
    if not active and not closing:
        return None
    if "kind" in paths:
        return f"processes.{process} names events, but source.kind says what happened: put source.event in its place"
    return f"processes.{process} names events, but nothing says where an event has its name: add source.event"


def _overlap(paths: Mapping[str, str]) -> str | None:
    for (one, path), (other, beside) in permutations(paths.items(), 2):
        if names_in(beside)[: len(names_in(path))] == names_in(path):
            return f"{other} lies within {one}, or is the same: each needs a path of its own"
    return None
