"""Writes a story for a terminal, or as JSON."""

import shutil
import textwrap
from collections.abc import Callable
from dataclasses import asdict

from consumer.clock import Millis
from consumer.commands.terminal.output import printable, to_json
from consumer.insight.explanation import PersonStory


def as_json(story: PersonStory) -> str:
    """Return the story as one JSON object. Times are milliseconds since 1970, UTC."""
    return to_json(asdict(story), indent=2)


def as_text(story: PersonStory, show: Callable[[Millis], str]) -> str:
    """Return the story for a terminal."""
    width = min(120, max(60, shutil.get_terminal_size().columns))
    lines = [f"{printable(story.user_id)}, times in {story.zone}", *(f"  {printable(fact)}" for fact in story.facts)]
    for process in story.processes:
        lines += ["", *_wrapped(f"{process.process}: {process.summary}", "", width)]
        for entry in process.entries:
            lines += _wrapped(f"{show(entry.at)}  {entry.text}", "  ", width)
            if entry.advice:
                lines += _wrapped(f"→ {entry.advice}", " " * 28, width)
        lines += _wrapped(f"next: {process.next}", "  ", width)
    if not story.processes:
        lines += ["", "nothing is known of this user: no reminder in the ledger, and no activity where it was looked"]
    for note in story.notes:
        lines += ["", *_wrapped(f"note: {note}", "", width)]
    return "\n".join(lines)


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent + "    ")
