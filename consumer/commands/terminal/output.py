"""What a check found, as one line for people."""

from dataclasses import dataclass

import typer


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was tried: whether it is as it should be, what was found, and else what to do about it."""

    ok: bool
    text: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{'✓' if self.ok else '✗'} {self.text}" + (f": {self.advice}" if self.advice else "")


def print_result(line: CheckResult) -> bool:
    """Prints the line; whether it was good news."""
    typer.echo(str(line))
    return line.ok
