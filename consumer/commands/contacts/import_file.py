"""`lapse contacts import`: a file of contacts onto their topic, all of it or nothing.

The file is read twice: once to judge every row, once to write them in a single Kafka transaction. So a reader of
committed records, as Lapse is, sees the whole import at one moment, or none of it; and memory holds neither the file
nor the transaction. While the transaction is open, readers of the topic wait at its first record; that is why there
is a limit to the rows, and one to the time, after which a broker takes an import for dead.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TextIO, TypeAlias
from zoneinfo import available_timezones

import typer

from consumer import log
from consumer.clock import MINUTE, Millis, SystemClock
from consumer.commands import kafka_probe
from consumer.commands.contacts import csv_file, validation
from consumer.commands.contacts.csv_file import BadFile
from consumer.commands.contacts.validation import COLUMNS, KEY, BadCell, ImportRules, Judged, SeenUsers
from consumer.commands.terminal.exit_codes import DONE, Failed
from consumer.config.loader import load
from consumer.config.settings import KafkaSettings, Settings
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.transactional_producer import Aborted, Fenced, command_producer
from consumer.records import Contact
from consumer.wiring.shared import Shared

MOST_ROWS = 500_000
"""In one file, since they go into one transaction."""

_TIME: Millis = MINUTE
_TIME_PER_ROW: Millis = 1  # a slow machine needs half; for MOST_ROWS it stays within the 15 minutes that brokers allow
_SHOWN = 50
_NOTHING = "nothing was imported"
_BROKER_SECONDS = 5

Reading: TypeAlias = Callable[[], Iterator[Judged]]
"""The whole file from its beginning, judged."""


class _Changed(Exception):
    """What was judged is not what is being written."""


def main(config: Path, path: Path, *, delete: bool, dry_run: bool) -> int:
    """Imports, or deletes those whom the file names; prints how many; the exit status.

    Raises:
        ConfigError: the settings are not right.
        Failed: a row or the file will not do, or the broker does not take it; nothing was imported.
        RegistryUnavailable, SchemaRefused: our schema cannot be registered.
    """
    settings = load(config)
    log.configure_quietly()
    zones = frozenset(available_timezones())
    rules = ImportRules(region=settings.policy.default_region, zones=zones, now=SystemClock().now())
    with _opened(path) as file:
        before = _stamp(file)
        reading = _reading(file, rules, delete=delete)
        count = _judge(path, reading)
        what = f"{count:,} contact{'' if count == 1 else 's'}"
        if dry_run:
            typer.echo(f"{what} could be {'deleted' if delete else 'imported'}; nothing was written")
            return DONE
        topic = settings.topics.contacts
        if count:
            _look_for(topic, settings.kafka)
            encode = _no_value if delete else _encoder(settings, topic)
            outputs = _outputs(reading, topic, encode, lambda: _stamp(file) == before)
            _write(settings.kafka, outputs, _TIME + count * _TIME_PER_ROW)
        typer.echo(f"{what} {'deleted from' if delete else 'imported onto'} {topic}")
        return DONE


def _opened(path: Path) -> TextIO:
    try:
        file = csv_file.opened(path)
    except OSError as problem:
        raise Failed(f"{path} cannot be read: {problem.strerror}") from None
    if not file.seekable():
        file.close()
        raise Failed(f"{path} is a pipe, and has to be read twice: write it into a file first")
    return file


def _stamp(file: TextIO) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns


def _reading(file: TextIO, rules: ImportRules, *, delete: bool) -> Reading:
    # With --delete other columns are refused: nobody should delete everyone by adding an option to an import.
    columns = [KEY] if delete else COLUMNS

    def read() -> Iterator[Judged]:
        file.seek(0)
        with closing(SeenUsers()) as seen:
            rows = csv_file.rows(file, columns, KEY)
            yield from validation.deletions(rows, seen) if delete else validation.contacts(rows, rules, seen)

    return read


def _judge(path: Path, reading: Reading) -> int:
    """How many rows there are, if every one of them will do. Raises Failed, naming those that will not."""
    total = 0

    def bad() -> Iterator[BadCell]:
        nonlocal total
        for judged in reading():
            total += 1
            if total > MOST_ROWS:
                raise BadFile(f"has more than {MOST_ROWS:,} rows: split it; each part is imported whole or not at all")
            if isinstance(judged, BadCell):
                yield judged

    try:
        first, number = _first(bad())
    except BadFile as problem:
        raise Failed(f"{path}: {problem}") from None
    if not number:
        return total
    lines = [f"{path}: {number:,} of {total:,} rows will not do, so nothing was written"]
    lines += [f"line {each.line}: {each.why}" for each in first]
    if number > len(first):
        lines.append(f"and {number - len(first):,} more")
    raise Failed("\n".join(lines))


def _first(bad: Iterable[BadCell]) -> tuple[list[BadCell], int]:
    """The first few, and how many there are."""
    first: list[BadCell] = []
    number = 0
    for number, each in enumerate(bad, 1):
        if number <= _SHOWN:
            first.append(each)
    return first, number


def _look_for(topic: str, kafka: KafkaSettings) -> None:
    _, cluster = kafka_probe.reach(kafka, _BROKER_SECONDS)
    found = cluster.topics.get(topic)
    if found is None or found.error:
        raise Failed(f"the topic {topic} is not there: create it, or run `lapse topics --create`")


def _encoder(settings: Settings, topic: str) -> Callable[[Judged], bytes | None]:
    codec = Shared(settings).codec
    codec.register(topic, Contact)  # now, and not while a transaction is open
    return lambda judged: codec.encode(judged, topic) if isinstance(judged, Contact) else None


def _no_value(judged: Judged) -> None:
    """What deletes a contact."""


def _outputs(
    reading: Reading, topic: str, encode: Callable[[Judged], bytes | None], unchanged: Callable[[], bool]
) -> Iterator[Output]:
    """A record for every row. Raises _Changed at the latest behind the last one."""
    try:
        for judged in reading():
            if isinstance(judged, BadCell):
                raise _Changed
            yield Output(topic, -1, judged.user_id.encode(), encode(judged))
    except BadFile:
        raise _Changed from None
    if not unchanged():
        raise _Changed


def _write(kafka: KafkaSettings, outputs: Iterable[Output], timeout: Millis) -> None:
    name = f"{kafka.group_prefix}-contacts-import"
    with closing(command_producer(kafka, name=name, timeout_ms=timeout)) as producer:
        try:
            producer.take_over()
            producer.write(outputs)
        except _Changed:
            raise Failed(f"the file was changed while it was read, so {_NOTHING}") from None
        except Fenced:
            reason = f"another import has begun, or this one took longer than {timeout // MINUTE} min"
            raise Failed(f"{reason}: it is as good as certain that {_NOTHING}; to be sure, import it again") from None
        except Aborted as problem:
            raise Failed(f"the broker does not take it, so {_NOTHING}: {problem}") from None
