"""Puts a mistake in the configuration into words: where it is, what is wrong, and what to write instead.

No message shows a value that may be a secret: only keys, and what was expected.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import reduce
from operator import getitem
from types import NoneType, UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from consumer.config.settings import Settings
from consumer.config.types import Secret, format_duration

KeyPath: TypeAlias = tuple[int | str, ...]
"""The path of a key: ("processes", "checkout", "remind_after", 0)."""

SECRET_ADVICE = "write {{env: {variable}}} and set that variable, or {{file: /path/to/it}}"  # noqa: S105 - a text

_EXPECTED = {
    "dict_type": "should contain keys, such as {name: value}",
    "tuple_type": "should be a list in brackets, such as [a, b]",
    "string_type": "should be text: put it in quotes",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "string_too_short": "should not be empty",
    "too_short": "should not be empty",
}

_TIMEDELTA = re.compile(r"datetime\.timedelta\((.*?)\)")
"""How pydantic writes the limit of a duration."""

_MISSING: dict[KeyPath, str] = {
    ("processes",): 'name what people can leave unfinished: checkout: {action: "your order", remind_after: [2h]}',
    ("processes", "*", "action"): 'the text for {{2}} of the template, such as action: "your order"',
    ("processes", "*", "remind_after"): "how long after the last activity to remind, such as remind_after: [24h, 72h]",
    ("onemsg", "channel_id"): "write the channel's id, as in its 1MSG address",
    ("onemsg", "token"): SECRET_ADVICE.format(variable="ONEMSG_TOKEN"),
    ("onemsg", "template"): "such as template: {name: inactivity_reminder, namespace: …, language: en}",
    ("onemsg", "template", "namespace"): "copy it from the template's page at 1MSG; nothing can be sent without it",
    ("schema_registry", "url"): "such as http://localhost:8081; if you have no registry, remove schema_registry",
}


class ConfigError(Exception):
    """The configuration is wrong: `problems` has one line for each mistake. No line contains a secret."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def shape(annotation: Any) -> Any:
    """Return the type of a key's value: its annotation without `Annotated` and without `| None`."""
    if get_origin(annotation) is Annotated:
        return shape(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
        return shape(kinds[0]) if len(kinds) == 1 else annotation
    return annotation


def is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def fields_of(section: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return a section's fields by their keys in the file (`from` cannot be a name in Python)."""
    return {field.alias or name: field for name, field in section.model_fields.items()}


def shape_of_key(kind: Any, key: int | str) -> Any:
    """Return the type of `key` within a value of type `kind`; None if there is no such key."""
    if is_section(kind):
        field = fields_of(kind).get(str(key))
        return shape(field.annotation) if field else None
    return shape(get_args(kind)[-1 if get_origin(kind) is dict else 0]) if get_origin(kind) in (dict, tuple) else None


def shape_at(path: KeyPath) -> Any:
    """Return the type of the value at `path`; None if there is no such key."""
    kind: Any = Settings
    for key in path:
        kind = shape_of_key(kind, key)
    return kind


def keys_of(kind: Any) -> list[str]:
    """Return the keys that a value of this type may contain."""
    if kind is Secret:
        return ["env", "file"]
    return list(fields_of(kind)) if is_section(kind) else []


def format_path(path: KeyPath) -> str:
    """Return a path as people write it: `processes.checkout.remind_after[0]`."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


def closest(word: str, known: Sequence[str], likeness: float = 0.6) -> str | None:
    """Return the known word that is most like `word`, if its likeness (0 to 1) is at least `likeness`."""
    found = difflib.get_close_matches(word.lower(), known, n=1, cutoff=likeness)
    return found[0] if found else None


def unknown_key(word: str, known: Sequence[str]) -> str:
    """Return the message for an unknown key; `known` are the keys that are allowed in its place."""
    meant = closest(word, known)
    if meant:
        return f"unknown key; did you mean {meant}?"
    elsewhere = [f"{section}.{word}" for section in keys_of(Settings) if word in keys_of(shape_at((section,)))]
    if elsewhere:
        return f"unknown key here; did you mean {' or '.join(elsewhere)}?"
    return f"unknown key; allowed here: {', '.join(known)}" if known else "contains no keys"


def explain(error: ValidationError, given: Any) -> Iterator[tuple[KeyPath, str]]:
    """Yield each problem once: its key, and the message. `given` is what was validated."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    unknown = {d["loc"] for d in details if d["type"] == "extra_forbidden"}
    reported: set[KeyPath] = set()
    for detail in details:
        path = _path_in_file(detail, given)
        if any(other[: len(path)] == path for other in reported) or _is_misspelt(detail, unknown):
            continue
        reported.add(path)
        if shape_at(path[:-1]) is Secret and detail["type"] == "extra_forbidden":
            yield path[:-1], "a secret is written {env: NAME} or {file: /path}, with no other keys"
        else:
            yield path, _text(detail, path, given)


def _path_in_file(detail: ErrorDetails, given: Any) -> KeyPath:
    """Return the error's path without the parts that pydantic adds for each type that a value might have."""
    if detail["type"] == "missing":
        return detail["loc"]
    depth = 0
    for key in detail["loc"]:
        # All errors inside a list are errors of its items.
        known = isinstance(key, int) if isinstance(given, list) else isinstance(given, Mapping) and key in given
        if not known:
            break
        given, depth = given[key], depth + 1
    return detail["loc"][:depth]


def _is_misspelt(detail: ErrorDetails, unknown: set[KeyPath]) -> bool:
    """Return whether a missing key is there under a similar name: that is one mistake, not two."""
    *above, name = detail["loc"] or ("",)
    siblings = [str(path[-1]) for path in unknown if list(path[:-1]) == above]
    return detail["type"] == "missing" and any(closest(word, [str(name)]) for word in siblings)


def _text(detail: ErrorDetails, path: KeyPath, given: Any) -> str:
    kind = detail["type"]
    if kind == "missing":
        hint = _MISSING.get(path) or _MISSING.get((path[0], "*", *path[2:]))
        return f"is missing: {hint}" if hint else "is missing"
    if kind == "extra_forbidden":
        return unknown_key(str(path[-1]), keys_of(shape_at(path[:-1])))
    if kind in ("model_type", "model_attributes_type"):
        return f"should contain keys: {', '.join(keys_of(shape_at(path)))}"
    value = reduce(getitem, path, given)
    if value is None and kind in _EXPECTED:
        return "has no value: write one, or remove the key"
    if kind == "string_type" and isinstance(value, Mapping | list):
        return "should be text"
    plain = detail["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    return _EXPECTED.get(kind, _TIMEDELTA.sub(_as_in_file, plain))


def _as_in_file(limit: re.Match[str]) -> str:
    parts = dict(part.split("=") for part in limit[1].split(", "))
    return format_duration(timedelta(**{unit: int(count) for unit, count in parts.items()}))
