"""The result of a check, as one line on the terminal."""

from dataclasses import dataclass

import typer


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was checked: whether it is right, what was found, and if it is wrong what to do."""

    ok: bool
    text: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{'✓' if self.ok else '✗'} {self.text}" + (f": {self.advice}" if self.advice else "")


def print_result(line: CheckResult) -> bool:
    """Print the result; return whether it was ok."""
    typer.echo(str(line))
    return line.ok
