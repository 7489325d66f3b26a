"""Where snapshots go: a live picture on a terminal, lines of text everywhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.live import Live

from consumer.clock import SECOND, Millis
from consumer.demo.view import Snapshot, line, picture, quote

Show: TypeAlias = Callable[[Snapshot], None]

_EVERY: Millis = 2 * SECOND
"""Between two lines."""


@contextmanager
def screen(console: Console) -> Iterator[Show]:
    """Something that can be shown snapshots, as often as one likes, for as long as the context lasts."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda snapshot: live.update(picture(snapshot), refresh=True)


class _Lines:
    """Writes a line every now and then, and below it the newest message if it has not been quoted yet."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next: Millis = 0
        self._quoted = 0

    def __call__(self, snapshot: Snapshot) -> None:
        if snapshot.elapsed < self._next:
            return
        self._next = snapshot.elapsed - snapshot.elapsed % _EVERY + _EVERY
        say(self._console, line(snapshot))
        if snapshot.messages and snapshot.accepted > self._quoted:
            self._quoted = snapshot.accepted
            say(self._console, f"       {quote(snapshot.messages[-1])}")


def say(console: Console, text: str) -> None:
    """A line as it is: not wrapped, not coloured, nothing in it taken for markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
