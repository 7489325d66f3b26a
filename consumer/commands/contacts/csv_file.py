"""Reads a CSV file into rows with line numbers; does not know what the cells mean.

The file is UTF-8, with or without a byte order mark; its first line names the columns, and shows whether commas,
semicolons or tabs separate them. A quoted cell may contain line breaks. No message quotes a cell: cells are people's
names and numbers.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TextIO, TypeAlias

from consumer.config.errors import closest

MAX_LINE_CHARACTERS = 1_000_000
"""In one line, and in one row; the csv module allows 131,072 in one cell."""
MAX_COLUMNS = 1_000
_MISSPELT = 0.75  # with a mapping, unknown columns are ignored unless one looks like a misspelt name of Lapse's
_DELIMITERS = ",;\t"
_SEPARATOR = re.compile('\ufeff?"?sep=([,;\t|])"?', re.IGNORECASE)
_NON_UTF8 = re.compile("[\udc80-\udcff]")
_PLAIN_NAME = re.compile(r"(?!.*\d{4})[^\W\d][\w .-]{0,40}")


ColumnMapping: TypeAlias = Mapping[str, str | None]
"""Lapse's name of a column by its name in the file (as `normalize_column_name` returns it); None to ignore it."""


def open_csv(path: Path) -> TextIO:
    """Open a CSV file for `read_rows`. Raises OSError.

    Bytes that are not UTF-8 become surrogates, so that their line can be reported.
    """
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


class BadFile(Exception):
    """The file's rows cannot be read at all; the text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row's cells by their column, stripped. `line` is the row's first line, counted from 1."""

    line: int
    cells: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row that cannot be split into cells."""

    line: int
    why: str


def read_rows(
    file: TextIO, columns: Sequence[str], required: str, mapping: ColumnMapping | None = None
) -> Iterator[Row | UnreadableRow]:
    """Yield every row that has a non-empty cell. `columns` are the names that the first line may contain.

    With a mapping, columns that it does not name are ignored; without one they are an error. Columns without a name are
    ignored if they are empty.

    Raises:
        BadFile: the first line names no columns, or wrong ones; or a line is too long for contacts.
    """
    lines = _lines(file)
    number, first, delimiter = _first_line(lines)
    delimiter = delimiter or _delimiter(first, columns, mapping or {})
    header = _header(first, delimiter, columns, required, mapping)
    bounded = _BoundedRows(lines)
    reader = csv.reader(bounded, delimiter=delimiter, strict=True)
    while True:
        line = number + reader.line_num + 1
        bounded.begin_row(line)
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error:
            yield UnreadableRow(
                line, "cannot be read: is a quotation mark not closed, or not doubled inside quoted text?"
            )
            continue
        if any(cells):
            yield _row(line, cells, header)


def ignored_columns(file: TextIO, columns: Sequence[str], required: str, mapping: ColumnMapping) -> list[str]:
    """Return the columns that `read_rows` ignores because `mapping` does not name them, in Lapse's spelling.

    Raises:
        BadFile: the first line names no columns, or wrong ones.
    """
    _, line, delimiter = _first_line(_lines(file))
    delimiter = delimiter or _delimiter(line, columns, mapping)
    header = zip(_names(line, delimiter), _header(line, delimiter, columns, required, mapping), strict=True)
    return [
        name if _PLAIN_NAME.fullmatch(name) else f"column {place}"
        for place, (name, ours) in enumerate(header, 1)
        if name and ours is None
    ]


def _row(line: int, cells: list[str], header: Sequence[str | None]) -> Row | UnreadableRow:
    while len(cells) > len(header) and not cells[-1]:
        cells.pop()  # a spreadsheet keeps the separators of deleted columns
    if why := _misfit(cells, len(header)):
        return UnreadableRow(line, why)
    if any(cell for name, cell in zip(header, cells, strict=True) if name == ""):
        return UnreadableRow(line, "has a value in a column without a name")
    return Row(line, {name: cell for name, cell in zip(header, cells, strict=True) if name})


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the file's lines. Raises BadFile for one that is too long: a broken file may have no line ends at all."""
    for number in count(1):
        line = file.readline(MAX_LINE_CHARACTERS)
        if not line:
            return
        if len(line) >= MAX_LINE_CHARACTERS:
            raise BadFile(f"line {number} is longer than {MAX_LINE_CHARACTERS:,} characters: is it a CSV file at all?")
        yield line


class _BoundedRows:
    """The lines of rows. Raises BadFile for a row that is too long: an open quotation mark makes lines one row."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.begin_row(1)

    def begin_row(self, line: int) -> None:
        self._first_line = line
        self._characters = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._characters += len(line)
        if self._characters > MAX_LINE_CHARACTERS:
            raise BadFile(
                f"the row that begins in line {self._first_line} is longer than {MAX_LINE_CHARACTERS:,} characters:"
                " is a quotation mark not closed?"
            )
        return line


def _first_line(lines: Iterator[str]) -> tuple[int, str, str | None]:
    """Return the number and text of the line with the names, and the separator if a line `sep=;` of Excel names it."""
    delimiter = None
    for number, line in enumerate(lines, 1):
        if found := _SEPARATOR.fullmatch(line.strip("\r\n")):
            delimiter = found[1]
        elif line.strip():
            return number, line, delimiter
    raise BadFile("is empty: the first line must name the columns")


def _delimiter(line: str, columns: Sequence[str], mapping: ColumnMapping) -> str:
    """Return the separator that yields most known column names; if none yields any, the one that yields most cells."""

    def score(delimiter: str) -> tuple[int, int]:
        names = _names(line, delimiter)
        return sum(name in columns or name in mapping for name in names), len(names)

    return max(_DELIMITERS, key=score)


def _names(line: str, delimiter: str) -> list[str]:
    """Return the column names in Lapse's spelling: `User ID` becomes user_id."""
    try:
        return [normalize_column_name(name) for name in next(csv.reader([line], delimiter=delimiter, strict=True))]
    except csv.Error:
        return []


def normalize_column_name(name: str) -> str:
    """Return a column's name in lower case, with underscores for spaces and hyphens."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _header(
    line: str, delimiter: str, columns: Sequence[str], required: str, mapping: ColumnMapping | None
) -> list[str | None]:
    """Return Lapse's name for each column; None for one that is ignored, "" for one without a name."""
    names = _names(line, delimiter)
    if _NON_UTF8.search(line) or "\0" in line:
        raise BadFile("is not UTF-8: save it as CSV in UTF-8")
    if len(names) > MAX_COLUMNS:
        raise BadFile(f"has more than {MAX_COLUMNS} columns: is it a file of contacts at all?")
    missing = sorted((mapping or {}).keys() - set(names))
    if missing and mapping is not None:
        raise BadFile(f"there is no column {missing[0]}, which --map names")
    mapped = mapping or {}
    taken = set(mapped.values())  # the file's own `Phone` is not meant where `Mobile` is mapped to phone
    found = [mapped.get(name, None if name and name in taken else name) for name in names]
    if not set(found) & set(columns):
        # The line may be a person's row: nothing of it may be shown.
        known = f"known are {', '.join(columns)}, separated by commas, semicolons or tabs"
        raise BadFile(f"its first line has no known column name: {known}")
    problems = []
    for place, name in enumerate(found, 1):
        if name and name not in columns:
            if mapping is None or closest(name, columns, _MISSPELT):
                problems.append(_unknown(place, name, columns, can_ignore=mapping is not None))
            found[place - 1] = None
    named = [name for name in found if name]
    problems += [f"there are two columns {name}" for name in sorted(set(named)) if named.count(name) > 1]
    if required not in named:
        problems.append(f"there is no column {required}")
    if problems:
        raise BadFile("; ".join(problems))
    return found


def _unknown(place: int, name: str, columns: Sequence[str], *, can_ignore: bool) -> str:
    shown = f"the column {name}" if _PLAIN_NAME.fullmatch(name) else f"column {place}"
    meant = closest(name, columns)
    what = f"{shown} is unknown: " + (f"did you mean {meant}?" if meant else f"known are {', '.join(columns)}")
    return f"{what} (--map '{name}={meant}' says so, --map '{name}=' ignores it)" if can_ignore else what


def _misfit(cells: Sequence[str], wanted: int) -> str | None:
    if len(cells) != wanted:
        return (
            f"has {len(cells)} cells, but the first line has {wanted}: is a text that contains a separator not quoted?"
        )
    text = "".join(cells)
    if not text.isascii() and _NON_UTF8.search(text):
        return "is not UTF-8: save the file as CSV in UTF-8"
    return "contains a NUL character" if "\0" in text else None
