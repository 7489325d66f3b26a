"""The result of a check, as one line on the terminal or as JSON."""

import json
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


def print_result(line: CheckResult) -> bool:
    """Print the result; return whether it was ok."""
    typer.echo(str(line))
    return line.ok


def print_json(lines: Sequence[CheckResult]) -> None:
    """Print all results as one JSON object."""
    checks = [{"ok": x.ok, "text": x.text, "advice": x.advice, "figures": dict(x.figures)} for x in lines]
    typer.echo(json.dumps({"ok": all(x.ok for x in lines), "checks": checks}, ensure_ascii=False, indent=2))
