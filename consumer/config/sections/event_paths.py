"""Paths to what an event holds: `context.user.id`, `contexts[0].user_id`, `params[key=plan].value`, `$key`.

A path is names from the outside in, joined by dots. Behind a name, `[0]` is the first element of an array, and
`[key=plan]` its first element whose field `key` is `plan`. A path leads on through a text that holds JSON. A dot, a
bracket or a dollar sign that belongs to a name is written with a backslash. What belongs to the record and not to its
value begins with a dollar sign: `$key` (and `$key.id` within it), `$timestamp`, `$header.NAME`, `$record`.
"""

import re
from typing import Annotated, NamedTuple, TypeAlias

from pydantic import AfterValidator

KEY, TIMESTAMP, HEADER, RECORD = "$key", "$timestamp", "$header", "$record"


class Entry(NamedTuple):
    """The first element of an array whose field `key` has this value."""

    key: str
    value: str


Step: TypeAlias = str | int | Entry
"""A name, the position of an element, or an entry."""

Path: TypeAlias = tuple[Step, ...]

_NAME = r"(?:\\.|[^.\[\]\\])+"
_STEP = re.compile(rf"(?P<name>{_NAME})(?P<elements>(?:\[[^\]]+\])*)(?:\.|$)")
_ELEMENT = re.compile(r"\[(?:(?P<place>\d+)|(?P<key>[^=\]]+)=(?P<value>[^\]]*))\]")
_ESCAPED = re.compile(r"\\(.)")


def steps_in(path: str) -> Path:
    """Return the steps of a path, outermost first. The first of what is not in the value is `$key`, `$timestamp`,
    `$header` or `$record`.

    Raises ValueError, saying how to write it.
    """
    if path.startswith(f"{HEADER}."):
        return (HEADER, path.removeprefix(f"{HEADER}."))
    steps: list[Step] = []
    position = 0
    while match := _STEP.match(path, position):
        steps.append(_ESCAPED.sub(r"\1", match["name"]))
        steps += _elements(match["elements"])
        position = match.end()
    if position < len(path) or not path or path.endswith("."):
        raise ValueError(
            "write names joined by dots, such as context.user.id, contexts[0].id or params[key=plan].value"
        )
    if path.startswith("$"):
        _refuse_unknown(path, steps)
    return tuple(steps)


def written(path: Path) -> str:
    """Return steps as a path is written."""
    if path[0] == HEADER:
        return f"{HEADER}.{path[1]}"
    text = ""
    for step in path:
        if isinstance(step, str):
            text += ("." if text else "") + re.sub(r"([.\[\]\\])", r"\\\1", step)
        else:
            text += f"[{step}]" if isinstance(step, int) else f"[{step.key}={step.value}]"
    return text


def _elements(brackets: str) -> list[Step]:
    found = [_ELEMENT.fullmatch(f"[{inside}]") for inside in re.findall(r"\[([^\]]+)\]", brackets)]
    if not all(found):
        raise ValueError("write [0] for the first element, or [key=plan] for the one whose field key is plan")
    return [int(match["place"]) if match["place"] else Entry(match["key"], match["value"]) for match in found if match]


def _refuse_unknown(path: str, steps: list[Step]) -> None:
    if steps[0] == "$":
        raise ValueError(f"write {path.removeprefix('$.')}: paths begin with the outermost name, without $.")
    if steps[0] == HEADER:
        raise ValueError("write the header's name behind it, such as $header.ce_type")
    if steps[0] not in (KEY, TIMESTAMP, RECORD):
        raise ValueError(f"is not one of $key, $timestamp, $header.NAME, $record; a name with a $ is written \\{path}")
    if steps[0] != KEY and len(steps) > 1:
        raise ValueError(f"nothing lies within {steps[0]}")


def _event_path(value: str) -> str:
    steps_in(value)
    return value


EventPath = Annotated[str, AfterValidator(_event_path)]
