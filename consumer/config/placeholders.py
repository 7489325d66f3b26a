"""Finds values that were left as an example has them: `CHANGE-ME` is no value, whatever it would be taken for."""

from collections.abc import Iterator, Set
from typing import Any

from pydantic import BaseModel

from consumer.config.settings import Settings
from consumer.config.types import Role

PLACEHOLDER = "CHANGE-ME"
_OF_DELIVER = {"onemsg", "policy", "tracking", "fallback"}


def placeholder_problems(settings: Settings, roles: Set[Role] = frozenset({"detect", "deliver"})) -> list[str]:
    """Return a problem for each value that is still to be filled in, in the sections that these roles need."""
    sections = [key for key in Settings.model_fields if "deliver" in roles or key not in _OF_DELIVER]
    return [
        f"{path}: is still {PLACEHOLDER}: write your own value"
        for key in sections
        for path in _placeholders(getattr(settings, key), key)
    ]


def _placeholders(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        value = {field.alias or name: getattr(value, name) for name, field in type(value).model_fields.items()}
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _placeholders(below, f"{path}.{key}")
            yield from [f"{path}.{key}"] if key == PLACEHOLDER else []
    elif isinstance(value, list | tuple):
        for number, below in enumerate(value):
            yield from _placeholders(below, f"{path}[{number}]")
    elif isinstance(value, str) and PLACEHOLDER in value.upper():
        yield path
