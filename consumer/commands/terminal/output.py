"""Texts for people, and the result of a check as one of them, or as JSON.

Whatever a command prints of itself goes through here. Ids, names and reasons come from topics, databases and 1MSG, and
a terminal obeys what stands in them.
"""

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from unicodedata import category

import typer

_LINE_BREAK = re.compile(r"(\r?\n)")
_JOINERS = "\u200c\u200d"  # of Persian and Indic words and of emoji: no terminal obeys them


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was checked: whether it is right, what was found, and if it is wrong what to do.

    `figures` are the numbers and names of the text, for programs.
    """

    ok: bool
    text: str
    advice: str = ""
    figures: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{'✓' if self.ok else '✗'} {self.text}" + (f": {self.advice}" if self.advice else "")


def printable(text: str) -> str:
    """Return the text with � for what a terminal would obey: escapes, line breaks, changes of the writing direction."""
    return text if text.isprintable() else "".join(c if _is_harmless(c) else "�" for c in text)


def print_line(text: str, *, err: bool = False) -> None:
    """Print one line."""
    typer.echo(printable(text), err=err)


def print_text(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print lines of our own making, whose breaks stay: what comes from outside is made `printable` before."""
    parts = _LINE_BREAK.split(text)
    typer.echo("".join(part if _LINE_BREAK.fullmatch(part) else printable(part) for part in parts), err=err, nl=nl)


def echo(text: str, *, err: bool = False) -> None:
    """Print sentences: on a terminal wrapped between words to its width, elsewhere as they are."""
    if (sys.stderr if err else sys.stdout).isatty():
        paragraph = textwrap.TextWrapper(
            shutil.get_terminal_size().columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
        text = "\n".join(paragraph.fill(line) for line in text.splitlines())
    print_text(text, err=err)


def to_json(value: object, *, indent: int | None = None, default: Callable[[Any], object] | None = None) -> str:
    """Return JSON in which what is not printable is escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=default)
    return "".join(c if _is_harmless(c) or c == "\n" else json.dumps(c)[1:-1] for c in text)


def print_result(line: CheckResult) -> bool:
    """Print the result; return whether it was ok."""
    echo(str(line))
    return line.ok


def print_json(lines: Sequence[CheckResult]) -> None:
    """Print all results as one JSON object."""
    checks = [{"ok": x.ok, "text": x.text, "advice": x.advice, "figures": dict(x.figures)} for x in lines]
    print_text(to_json({"ok": all(x.ok for x in lines), "checks": checks}, indent=2))


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character in _JOINERS or category(character) == "Zs"
