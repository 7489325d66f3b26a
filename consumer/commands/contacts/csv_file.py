"""A CSV file as rows with line numbers. Knows its form, not what the cells mean.

UTF-8, with or without a byte order mark; separated by commas, semicolons or tabs, whichever makes sense of the first
line, which names the columns. A quoted cell may go over several lines. What is said of a file never quotes a cell:
cells are people's names and numbers.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from consumer.config.errors import near

_DELIMITERS = ",;\t"
_NO_UTF8 = re.compile("[\udc80-\udcff]")
_PLAIN_NAME = re.compile(r"(?!.*\d{4})[^\W\d][\w .-]{0,40}")


def opened(path: Path) -> TextIO:
    """Such a file, for `rows`. Raises OSError.

    Bytes that are not UTF-8 come through as marks, so that their line can be named.
    """
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


class BadFile(Exception):
    """Nothing in it can be judged; the text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """The cells by their column, stripped. `line` is the first of the row's lines, counted from 1."""

    line: int
    cells: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that is none."""

    line: int
    why: str


def rows(file: TextIO, columns: Sequence[str], required: str) -> Iterator[Row | Unreadable]:
    """Every row but those whose cells are all empty. `columns` are the names that the first line may use.

    Raises:
        BadFile: the first line names no columns, or wrong ones.
    """
    number, first = _first_line(file)
    delimiter = _delimiter(first, columns)
    header = _header(first, delimiter, columns, required)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    while True:
        line = number + reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error:
            yield Unreadable(line, "cannot be read: is a quote not closed, or not doubled inside a quoted text?")
            continue
        if any(cells):
            why = _misfit(cells, len(header))
            yield Unreadable(line, why) if why else Row(line, dict(zip(header, cells, strict=True)))


def _first_line(file: TextIO) -> tuple[int, str]:
    for number, line in enumerate(iter(file.readline, ""), 1):
        if line.strip():
            return number, line
    raise BadFile("is empty: its first line should name the columns")


def _delimiter(line: str, columns: Sequence[str]) -> str:
    """The one that makes most column names of the line; if none makes any, that makes most cells."""

    def sense(delimiter: str) -> tuple[int, int]:
        names = _names(line, delimiter)
        return sum(name in columns for name in names), len(names)

    return max(_DELIMITERS, key=sense)


def _names(line: str, delimiter: str) -> list[str]:
    try:
        return [name.strip().lower() for name in next(csv.reader([line], delimiter=delimiter, strict=True))]
    except csv.Error:
        return []


def _header(line: str, delimiter: str, columns: Sequence[str], required: str) -> list[str]:
    names = _names(line, delimiter)
    if _NO_UTF8.search(line) or "\0" in line:
        raise BadFile("is not UTF-8: save it as CSV in UTF-8")
    if not set(names) & set(columns):
        # (It may be a person already: nothing of it is shown.)
        known = f"known are {', '.join(columns)}, separated by commas, semicolons or tabs"
        raise BadFile(f"its first line names no column that is known: {known}")
    problems = [_unknown(place, name, columns) for place, name in enumerate(names, 1) if name not in columns]
    problems += [f"there are two columns {name}" for name in sorted(set(names)) if names.count(name) > 1 and name]
    if required not in names:
        problems.append(f"there is no column {required}")
    if problems:
        raise BadFile("; ".join(problems))
    return names


def _unknown(place: int, name: str, columns: Sequence[str]) -> str:
    if not name:
        return f"column {place} has no name"
    shown = f"the column {name}" if _PLAIN_NAME.fullmatch(name) else f"column {place}"
    meant = near(name, columns)
    return f"{shown} is unknown: " + (f"did you mean {meant}?" if meant else f"known are {', '.join(columns)}")


def _misfit(cells: Sequence[str], wanted: int) -> str | None:
    if len(cells) != wanted:
        return f"has {len(cells)} cells and the first line has {wanted}: is a text with separators in it not quoted?"
    text = "".join(cells)
    if not text.isascii() and _NO_UTF8.search(text):
        return "is not UTF-8: save the file as CSV in UTF-8"
    return "has a NUL character in it" if "\0" in text else None
