"""Reads a YAML file strictly: a key that occurs twice is an error, and each key's line is known."""

import re
from collections.abc import Hashable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from consumer import bounded_file
from consumer.config.errors import ConfigError, KeyPath

MAX_FILE_BYTES = 1_000_000
MAX_VALUES = 100_000
_INDENTED = "expected <block end>"
_QUOTED = re.compile(r"(['\"])[^\s'\"<]{4,}\1")


@dataclass(frozen=True)
class Document:
    """A file's content. `problems` are mistakes that still let the rest be read; other mistakes are raised."""

    file: str
    data: dict[str, Any]
    root: yaml.Node
    problems: list[str]

    def where(self, path: KeyPath) -> str:
        """Return `file:line` of a key, or of the nearest key above it that is in the file."""
        return f"{self.file}:{self.line(path)}"

    def line(self, path: KeyPath) -> int:
        node, line = self.root, self.root.start_mark.line
        for key in path:
            node, line = _below(node, key, line)
        return line + 1


def read(path: Path) -> Document:
    """Read a file whose root is a mapping.

    Raises:
        ConfigError: the file does not exist, is empty, or is not YAML; or its root is not a mapping.
    """
    text = _text(path)
    try:
        loader = _StrictLoader(text, str(path))
        root = loader.get_single_node()
        data = _unshared(loader.construct_document(root)) if root else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}"
        raise ConfigError([f"{place}: is not valid YAML: {_without_values(error.problem)}"]) from None
    except yaml.reader.ReaderError as error:
        raise ConfigError([f"{path}: is not valid YAML: {error.reason} at position {error.position}"]) from None
    except RecursionError:
        raise ConfigError([f"{path}: a value contains itself, or values are nested too deeply"]) from None
    except _TooManyValues:
        raise ConfigError([f"{path}: holds more than {MAX_VALUES:,} values: is an alias used in an alias?"]) from None
    if root is None or data is None:
        raise ConfigError([f"{path}: the file is empty: remove it, and `lapse init` writes one"])
    if not isinstance(data, dict):
        raise ConfigError([f"{path}: should contain sections with keys, such as kafka: and processes:"])
    return Document(str(path), data, root, loader.problems)


def parse(text: str) -> Any:
    """Return a single value that is written as JSON or YAML.

    Raises:
        yaml.YAMLError: it is neither.
    """
    loader = _StrictLoader(text, "")
    value = loader.get_single_data()
    if loader.problems:
        raise yaml.YAMLError("a key occurs twice")
    return value


def _text(path: Path) -> str:
    try:
        return bounded_file.read_text(path, MAX_FILE_BYTES, "utf-8-sig")
    except FileNotFoundError:
        advice = "name your file with --config, or write one with `lapse init`"
        raise ConfigError([f"{path}: this file does not exist: {advice}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not a text file in UTF-8"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None


class _TooManyValues(Exception):
    pass


def _unshared(value: Any) -> Any:
    """Return a copy in which no two places share one object, as YAML aliases make them: each can be changed alone.

    Raises _TooManyValues: aliases of aliases stand for billions.
    """
    numbers = count(1)

    def copy(value: Any) -> Any:
        if next(numbers) > MAX_VALUES:
            raise _TooManyValues
        if isinstance(value, dict):
            return {key: copy(below) for key, below in value.items()}
        return [copy(below) for below in value] if isinstance(value, list) else value

    return copy(value)


def _without_values(problem: str | None) -> str:
    # "found undefined alias 'x'" may show a secret that starts with an asterisk.
    said = _QUOTED.sub("'…'", problem or "it ends too early")
    return f"{said}: does this line begin where its neighbours do?" if _INDENTED in said else said


def _below(node: yaml.Node, key: int | str, line: int) -> tuple[yaml.Node, int]:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value, name.start_mark.line
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key].start_mark.line
    return yaml.ScalarNode("", ""), line


class _StrictLoader(yaml.SafeLoader):
    def __init__(self, text: str, file: str) -> None:
        super().__init__(text)
        self._file = file
        self.problems: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[str, int] = {}
        for name, _ in node.value:
            if not isinstance(name, yaml.ScalarNode) or name.value == "<<":
                continue  # PyYAML refuses the first below; the second merges another mapping
            here = f"{self._file}:{name.start_mark.line + 1}"
            if name.tag != "tag:yaml.org,2002:str":
                self.problems.append(f'{here}: YAML does not read {name.value} as text: write "{name.value}"')
            if name.value in lines:
                self.problems.append(f"{here}: {name.value} occurs twice; the first is on line {lines[name.value]}")
            lines.setdefault(name.value, name.start_mark.line + 1)
        return {str(key): value for key, value in super().construct_mapping(node, deep).items()}
