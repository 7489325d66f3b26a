"""`lapse dead-letters list`: shows the records that could not be read, and why."""

import heapq
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer import log
from consumer.commands.dead_letters.selection import DeadLetterFilter, open_topic
from consumer.commands.terminal.exit_codes import DONE
from consumer.commands.terminal.output import print_line, print_text
from consumer.commands.terminal.time_arguments import format_time
from consumer.config.loader import load
from consumer.kafka.dead_letters.offset_bitmap import OffsetBitmap
from consumer.kafka.dead_letters.topic_reader import HEAD_BYTES, DeadLetter, ReplayNote

_PIPED_WIDTH = 500  # characters: output that a program reads must not be wrapped
_BYTES_PER_LINE = 16


def main(config: Path, chosen: DeadLetterFilter, *, limit: int, show: bool) -> int:
    """Print the newest `limit` of the chosen letters, with their first bytes if `show`; return the exit status.

    Raises:
        ConfigError: the settings are not right.
        CommandFailed: the topic cannot be read.
    """
    settings = load(config)
    log.configure_for_command()
    with open_topic(settings) as dead_letters:
        found = _Found(chosen)
        newest = heapq.nlargest(
            limit, found.letters_in(dead_letters.records()), key=lambda each: (each.at, each.offset)
        )
    if newest:
        console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)
        console.print(_table(newest, found.was_replayed))
    if show:
        for letter in newest:
            print_text("\n".join([f"{_from(letter)}:", *hex_dump(letter), ""]))
    for line in found.summary(len(newest)):
        print_line(line)
    return DONE


class _Found:
    """Counts letters while the topic is read."""

    def __init__(self, chosen: DeadLetterFilter) -> None:
        self._chosen = chosen
        self._counts: Counter[tuple[str, str]] = Counter()
        self._replayed: dict[int, OffsetBitmap] = {}

    def letters_in(self, records: Iterable[DeadLetter | ReplayNote]) -> Iterator[DeadLetter]:
        for record in records:
            if isinstance(record, ReplayNote):
                for offset in record.offsets:
                    self._marks(record.partition, offset).add(offset)
                continue
            self._marks(record.partition, record.offset)
            if self._chosen.matches(record):
                self._counts[record.origin.topic if record.origin else "unknown", record.reason or "no reason"] += 1
                yield record

    def was_replayed(self, letter: DeadLetter) -> bool:
        return letter.offset in self._marks(letter.partition, letter.offset)

    def _marks(self, partition: int, first: int) -> OffsetBitmap:
        """Return the replayed offsets of a partition; `first` is the first offset that was read of it."""
        return self._replayed.setdefault(partition, OffsetBitmap(first))

    def summary(self, listed: int) -> Iterator[str]:
        total = self._counts.total()
        yield f"{total:,} dead letter{'' if total == 1 else 's'}" + (
            f"; these are the newest {listed:,}" if listed < total else ""
        )
        for (topic, reason), count in self._counts.most_common():
            yield f"  {count:,} from {topic}: {reason}"


def _table(rows: Iterable[DeadLetter], was_replayed: Callable[[DeadLetter], bool]) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for name in ("from", "set aside (UTC)", "reason", "error", "bytes", "replayed"):
        table.add_column(name, justify="right" if name == "bytes" else "left", overflow="fold")
    for letter in rows:
        back = "yes" if was_replayed(letter) else "–"
        size = "null" if letter.size is None else f"{letter.size:,}"
        cells = (_from(letter), format_time(letter.at), letter.reason, letter.error, size, back)
        table.add_row(*(Text(cell) for cell in cells))  # Text, because markup would interpret brackets
    return table


def _from(letter: DeadLetter) -> str:
    """Return where the record stands, as `topic[partition]@offset`."""
    if letter.origin is None:
        return f"unknown (dead letter [{letter.partition}]@{letter.offset})"
    return f"{letter.origin.topic}[{letter.origin.partition}]@{letter.origin.offset}"


def hex_dump(letter: DeadLetter) -> Iterator[str]:
    """Yield its first bytes, 16 on a line, as hexadecimal and as text."""
    for start in range(0, len(letter.head), _BYTES_PER_LINE):
        part = letter.head[start : start + _BYTES_PER_LINE]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"  {start:04x}  {part.hex(' '):<{3 * _BYTES_PER_LINE}} {text}"
    if not letter.is_whole:
        yield f"  not kept: {letter.size:,} bytes are more than the topic takes; they are where the record came from"
    elif letter.size is None:
        yield "  null"
    elif letter.size == 0:
        yield "  empty"
    elif letter.size > HEAD_BYTES:
        yield f"  and {letter.size - HEAD_BYTES:,} bytes more"
