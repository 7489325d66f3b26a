"""Texts for people, and the result of a check as one of them, or as JSON."""

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import typer


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


def echo(text: str, *, err: bool = False) -> None:
    """Print sentences: on a terminal wrapped between words to its width, elsewhere as they are."""
    if (sys.stderr if err else sys.stdout).isatty():
        paragraph = textwrap.TextWrapper(
            shutil.get_terminal_size().columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
        text = "\n".join(paragraph.fill(line) for line in text.splitlines())
    typer.echo(text, err=err)


def print_result(line: CheckResult) -> bool:
    """Print the result; return whether it was ok."""
    echo(str(line))
    return line.ok


def print_json(lines: Sequence[CheckResult]) -> None:
    """Print all results as one JSON object."""
    checks = [{"ok": x.ok, "text": x.text, "advice": x.advice, "figures": dict(x.figures)} for x in lines]
    typer.echo(json.dumps({"ok": all(x.ok for x in lines), "checks": checks}, ensure_ascii=False, indent=2))
