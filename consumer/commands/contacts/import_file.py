"""`lapse contacts import`: writes a file of contacts to their topic, all of it or nothing.

The file is read once to check every row, and once more to write the rows in a single Kafka transaction. So a reader of
committed records, as Lapse is, sees the whole import at once, or none of it, and memory holds neither the file nor the
transaction. A contact's record is whole, and a file may not be: what its columns do not say is taken from the topic,
while no other import can be writing it. While the transaction is open, readers of the topic wait at its first record.
Therefore the number of rows is limited, and so is the time after which the broker aborts an import.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TextIO
from zoneinfo import available_timezones

import typer

from consumer import log
from consumer.activity.record_codec import RecordCodec
from consumer.clock import MINUTE, Millis, SystemClock
from consumer.commands import kafka_probe
from consumer.commands.contacts import csv_file, validation
from consumer.commands.contacts.csv_file import BadFile, ColumnMapping, Row, UnreadableRow
from consumer.commands.contacts.known_contacts import ContactChange, KnownContacts, merged
from consumer.commands.contacts.validation import COLUMNS, KEY, CheckedRow, ImportRules, InvalidRow, SeenUsers
from consumer.commands.terminal.exit_codes import DONE, CommandFailed
from consumer.commands.terminal.output import echo
from consumer.config.loader import load
from consumer.config.sections.kafka import KafkaSettings
from consumer.deliver.policy.record_bounds import check_bounds
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.transactional_producer import Aborted, Fenced, command_producer
from consumer.records import Contact
from consumer.wiring.shared import Shared

MAX_ROWS = 500_000
"""In one file, because all rows are in one transaction."""

_TIMEOUT_MS: Millis = MINUTE
_TIMEOUT_PER_ROW_MS: Millis = 1  # a slow machine needs half; MAX_ROWS stay within the 15 minutes that brokers allow
_MAX_ROWS_SHOWN = 50
_NOTHING_IMPORTED = "nothing was imported"
_BROKER_TIMEOUT_S = 5


class _Changed(Exception):
    """The file changed between checking and writing."""


def main(
    config: Path,
    path: Path,
    *,
    delete: bool,
    dry_run: bool,
    mapping: Sequence[str] = (),
    skip_bad: Path | None = None,
) -> int:
    """Import the contacts, or delete those that the file names; print how many; return the exit status.

    `mapping` has items such as `Phone Number=phone`. With `skip_bad` invalid rows are written to that file,
    and the others are imported.

    Raises:
        typer.BadParameter: an item of `mapping` is malformed, or names a column that contacts do not have.
        ConfigError: the settings are not right.
        CommandFailed: a row or the file is invalid, or the broker refuses the records; nothing was imported.
        RegistryUnavailable, SchemaRefused: our schema cannot be registered.
    """
    settings = load(config)
    log.configure_for_command()
    zones = frozenset(available_timezones())
    rules = ImportRules(region=settings.policy.default_region, zones=zones, now=SystemClock().now())
    if delete and mapping:
        raise typer.BadParameter("a file for --delete has the column user_id only", param_hint="--map")
    mapped = _parse_mapping(mapping)
    with _opened(path) as text:
        file = _ContactsFile(path, text, rules, mapped, delete=delete)
        count = _check_rows(file, skip_bad, dry_run=dry_run)
        what = f"{count:,} contact{'' if count == 1 else 's'}"
        if ignored := file.ignored_columns():
            echo(f"{path}: ignored columns: {', '.join(ignored)}", err=True)
        if dry_run:
            echo(f"{what} could be {'deleted' if delete else 'imported'}; nothing was written")
            return DONE
        topic = settings.topics.contacts
        if count:
            _require_topic(topic, settings.kafka)
            shared = Shared(settings)
            shared.codec.register(topic, Contact)  # now, because no transaction should wait for the registry

            def decode(cls: type[Contact], data: bytes) -> Contact:
                contact = shared.codec.decode(cls, data)
                check_bounds(contact, rules.now)
                return contact

            with closing(KnownContacts(file.users())) as known:

                def outputs() -> Iterator[Output]:
                    known.read(settings.kafka, shared.admin, topic, decode)
                    return _outputs(file, topic, known, shared.codec, skip_bad=skip_bad is not None)

                _write(settings.kafka, outputs, _TIMEOUT_MS + count * _TIMEOUT_PER_ROW_MS)
        echo(f"{what} {'deleted from' if delete else 'imported to'} {topic}")
        return DONE


class _ContactsFile:
    """A file of contacts that can be read several times from its beginning."""

    def __init__(
        self, path: Path, text: TextIO, rules: ImportRules, mapping: ColumnMapping | None, *, delete: bool
    ) -> None:
        self.path = path
        self._text = text
        self._rules = rules
        self._mapping = mapping
        self._delete = delete
        self._stamp = self._size_and_time()

    def rows(self) -> Iterator[Row | UnreadableRow]:
        # With --delete other columns are refused, so that adding the option to an import deletes nobody by mistake.
        self._text.seek(0)
        return csv_file.read_rows(self._text, [KEY] if self._delete else COLUMNS, KEY, self._mapping)

    def users(self) -> Iterator[str]:
        return (row.cells[KEY] for row in self.rows() if isinstance(row, Row))

    def ignored_columns(self) -> list[str]:
        self._text.seek(0)
        return csv_file.ignored_columns(self._text, COLUMNS, KEY, self._mapping) if self._mapping else []

    def judged(self) -> Iterator[CheckedRow]:
        with closing(SeenUsers()) as seen:
            rows = self.rows()
            yield from (
                validation.check_deletions(rows, seen)
                if self._delete
                else validation.check_contacts(rows, self._rules, seen)
            )

    def lines(self) -> Iterator[str]:
        self._text.seek(0)
        return iter(self._text.readline, "")

    def has_changed(self) -> bool:
        """Return whether the file's size or time has changed since it was opened."""
        return self._size_and_time() != self._stamp

    def _size_and_time(self) -> tuple[int, int]:
        found = os.fstat(self._text.fileno())
        return found.st_size, found.st_mtime_ns


def _parse_mapping(items: Sequence[str]) -> dict[str, str | None] | None:
    """Return Lapse's column for each mapped column of the file, None for one to ignore; None if nothing is mapped."""
    found: dict[str, str | None] = {}
    for item in items:
        theirs, equals, ours = (part.strip() for part in item.rpartition("="))
        if not theirs or not equals or (ours and ours not in COLUMNS):
            known = ", ".join(COLUMNS)
            raise typer.BadParameter(
                f"write it like 'Phone Number=phone', or 'Phone Number=' to ignore it; Lapse's columns are {known}",
                param_hint="--map",
            )
        found[csv_file.normalize_column_name(theirs)] = ours or None
    return found or None


def _opened(path: Path) -> TextIO:
    if path.exists() and not path.is_file():
        raise CommandFailed(f"{path} cannot be read twice: save the contacts in a regular file first")
    try:
        return csv_file.open_csv(path)
    except OSError as problem:
        raise CommandFailed(f"{path} cannot be read: {problem.strerror}") from None


def _check_rows(file: _ContactsFile, skip_bad: Path | None, *, dry_run: bool) -> int:
    """Return how many rows are valid.

    Raises CommandFailed, naming invalid rows, unless they are to be skipped and others are left.
    """
    total = 0

    def invalid_rows() -> Iterator[InvalidRow]:
        nonlocal total
        for judged in file.judged():
            total += 1
            if total > MAX_ROWS:
                raise BadFile(f"has more than {MAX_ROWS:,} rows: split it; each part is imported whole or not at all")
            if isinstance(judged, InvalidRow):
                yield judged

    try:
        first, number = _first(invalid_rows())
    except BadFile as problem:
        raise CommandFailed(f"{file.path}: {problem}") from None
    if not number:
        return total
    lines = [f"line {each.line}: {each.why}" for each in first]
    if number > len(first):
        lines.append(f"and {number - len(first):,} more")
    found = f"{file.path}: {number:,} of {total:,} rows {'is' if number == 1 else 'are'} invalid"
    if skip_bad is None or number == total:
        raise CommandFailed("\n".join([f"{found}, so nothing was written", *lines]))
    if not dry_run:
        _write_refused(file, skip_bad)
    echo("\n".join([f"{found}: {'would be' if dry_run else 'now'} in {skip_bad}", *lines]), err=True)
    return total - number


def _write_refused(file: _ContactsFile, to: Path) -> None:
    """Write the file's first line and its invalid rows unchanged, so that they can be corrected and imported.

    Raises CommandFailed if the file to write exists already, or cannot be written.
    """
    refused = {judged.line for judged in file.judged() if isinstance(judged, InvalidRow)}
    beginnings = {row.line for row in file.rows()}
    keep = True  # the lines before the first row have the columns' names
    try:
        with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:  # people's data
            for number, line in enumerate(file.lines(), 1):
                keep = number in refused if number in beginnings else keep
                if keep:
                    out.write(line.encode("utf-8", "surrogateescape"))
    except FileExistsError:
        raise CommandFailed(f"{to} exists already: name another file for the invalid rows") from None
    except OSError as problem:
        raise CommandFailed(f"{to} cannot be written: {problem.strerror}") from None


def _first(invalid: Iterable[InvalidRow]) -> tuple[list[InvalidRow], int]:
    """Return the first few invalid rows, and how many there are."""
    first: list[InvalidRow] = []
    number = 0
    for number, each in enumerate(invalid, 1):
        if number <= _MAX_ROWS_SHOWN:
            first.append(each)
    return first, number


def _require_topic(topic: str, kafka: KafkaSettings) -> None:
    _, cluster = kafka_probe.connect(kafka, _BROKER_TIMEOUT_S)
    found = cluster.topics.get(topic)
    if found is None or found.error:
        raise CommandFailed(f"the topic {topic} does not exist: create it, or run `lapse topics --create`")


def _outputs(
    file: _ContactsFile, topic: str, known: KnownContacts, codec: RecordCodec, *, skip_bad: bool
) -> Iterator[Output]:
    """Yield a record for every valid row. Raises _Changed, at the latest after the last one.

    It goes into the partition where the user's record is; a deletion into all that have one.
    """
    try:
        for judged in file.judged():
            if isinstance(judged, InvalidRow):
                if not skip_bad:
                    raise _Changed
                continue
            key, found = judged.user_id.encode(), known.of(judged.user_id)
            if isinstance(judged, ContactChange):
                value = codec.encode(merged(found.contact, judged), topic)
                yield Output(topic, found.partitions[-1] if found.partitions else -1, key, value)
            else:
                yield from (Output(topic, partition, key, None) for partition in found.partitions or (-1,))
    except BadFile:
        raise _Changed from None
    if file.has_changed():
        raise _Changed


def _write(kafka: KafkaSettings, outputs: Callable[[], Iterable[Output]], timeout: Millis) -> None:
    """Write what `outputs` returns. It is called once no other import is under way, and may read the topic."""
    name = f"{kafka.group_prefix}-contacts-import"
    with closing(command_producer(kafka, name=name, timeout_ms=timeout)) as producer:
        try:
            producer.take_over()
            producer.write(outputs())
        except _Changed:
            raise CommandFailed(f"the file was changed while it was read, so {_NOTHING_IMPORTED}") from None
        except Fenced:
            reason = f"another import has started, or this one took longer than {timeout // MINUTE} min"
            raise CommandFailed(
                f"{reason}: it is as good as certain that {_NOTHING_IMPORTED}; to be sure, import it again"
            ) from None
        except Aborted as problem:
            raise CommandFailed(f"the broker does not accept the records, so {_NOTHING_IMPORTED}: {problem}") from None
