"""What a check found, as one line for people."""

from dataclasses import dataclass

import typer


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was tried: whether it is as it should be, what was found, and else what to do about it."""

    ok: bool
    what: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{'✓' if self.ok else '✗'} {self.what}" + (f": {self.advice}" if self.advice else "")


def show(line: Line) -> bool:
    """Prints the line; whether it was good news."""
    typer.echo(str(line))
    return line.ok
