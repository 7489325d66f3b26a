"""`lapse dead-letters replay`: writes records that could not be read into the input again, each at most once.

1. Begin.      Our transactional id fences any other replay; what that one committed is visible from here on.
2. Survey.     Read the whole topic up to its present end: letters, and notes of those that were replayed before.
3. Ask.        Say how many would be replayed.
4. Replay.     A batch at a time, in one transaction: copies in the partitions that they came from, and a note for each
               partition of the dead-letters topic.

Anybody who may write to the dead letters' topic can forge a letter. So a copy is made of the record that stands in the
input at the place that the letter names, with its key, value, headers and timestamp, and only if the letter says the
same as that record. A letter whose record has left the input cannot be replayed, and neither can those of other topics:
whoever writes contacts can write them again.

A letter is replayed if no note names it, so a second run, with the same filter or another, repeats nothing. A crash
before a commit leaves nothing, after it the copies and their note. Of two replays at once only the later one commits,
and it begins before it reads. Letters that arrive during a run are left for the next one.

The notes are on the topic itself and not in a consumer group's offsets: an offset cannot say that a filter skipped some
letters before it, and a broker deletes the offsets of an empty group after a week, when most letters are still there.

A replayed record that still cannot be read becomes a new letter.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import typer
from confluent_kafka import Consumer

from consumer import log
from consumer.commands.dead_letters.selection import DeadLetterFilter, DeadLetterTopic, open_topic, replay_group
from consumer.commands.terminal.exit_codes import DONE, FAILED, CommandFailed
from consumer.commands.terminal.output import echo
from consumer.config.loader import load
from consumer.kafka.clients.client_settings import MAX_RECORD_BYTES
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.transactional_producer import Aborted, Fenced, TransactionalProducer, command_producer
from consumer.kafka.dead_letters import origin_reader, topic_reader
from consumer.kafka.dead_letters.offset_bitmap import OffsetBitmap
from consumer.kafka.dead_letters.records import says_the_same
from consumer.kafka.dead_letters.topic_reader import DeadLetter, Message, Origin, ReplayNote

_MAX_LETTERS, _MAX_BYTES = 500, 8 * 1024 * 1024  # in one transaction
_REPLAYED_FROM = "replayed_from"


class Input(NamedTuple):
    """The topic that is written to, and its number of partitions."""

    topic: str
    partitions: int


@dataclass(slots=True)
class Survey:
    """`to_go`: the offsets of letters to replay, by their partition. `stay`: how many cannot be replayed, by reason."""

    to_go: dict[int, OffsetBitmap] = field(default_factory=dict)
    stay: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return sum(map(len, self.to_go.values()))

    def spans(self) -> dict[int, range]:
        """Return, for each partition, the range of offsets that contains the letters to replay."""
        return {partition: some.span() for partition, some in self.to_go.items() if some}

    def has_to_go(self, partition: int, offset: int) -> bool:
        return partition in self.to_go and offset in self.to_go[partition]


def main(config: Path, chosen: DeadLetterFilter, *, yes: bool) -> int:
    """Replay the chosen letters after the user agreed; return the exit status.

    Raises:
        ConfigError: the settings are not right.
        typer.BadParameter: Lapse does not read the chosen topic.
        CommandFailed: the topic cannot be read, or the broker does not accept the copies.
    """
    settings = load(config)
    log.configure_for_command()
    source = settings.source.topic
    if chosen.topic not in {None, source}:
        raise typer.BadParameter(f"only records of {source} can be replayed", param_hint="--topic")
    with (
        open_topic(settings) as b,
        closing(command_producer(settings.kafka, name=replay_group(settings))) as producer,
        closing(topic_reader.make_consumer(settings.kafka, replay_group(settings))) as originals,
    ):
        producer.take_over()
        target = Input(source, len(b.cluster.topics[source].partitions) if source in b.cluster.topics else 0)
        found = survey(b.records(), chosen, target)
        for line in _plan_lines(found, source):
            echo(line)
        if not found:
            return DONE
        if not (yes or typer.confirm(f"Replay {_letters(len(found))}?")):
            echo("nothing was replayed")
            return FAILED
        found.stay.clear()
        echo(f"{_letters(_Replay(b, originals, producer, found).run())} replayed")
        for line in _stay_lines(found):
            echo(line)
        return DONE


def survey(records: Iterable[DeadLetter | ReplayNote], chosen: DeadLetterFilter, target: Input) -> Survey:
    """Return which of the chosen letters to replay, and which have to stay. `records` is everything on the topic."""
    found = Survey()
    for record in records:
        if isinstance(record, ReplayNote):  # it comes after the letters that it names
            for offset in record.offsets if record.partition in found.to_go else ():
                found.to_go[record.partition].discard(offset)
        elif chosen.matches(record):
            obstacle = obstacle_of(record, target)
            if obstacle:
                found.stay[obstacle] += 1
            else:
                found.to_go.setdefault(record.partition, OffsetBitmap(record.offset)).add(record.offset)
    return found


def obstacle_of(letter: DeadLetter, target: Input) -> str | None:
    """Return why the letter cannot be replayed; None if it can, as far as the letter tells."""
    if letter.origin is None:
        return "has no headers that say where it came from"
    if letter.origin.topic != target.topic:
        return f"came from another topic than {target.topic}: have what writes there write it again"
    if letter.origin.partition >= target.partitions:
        return "came from a partition that its topic does not have"
    return None


def replayed_record(letter: DeadLetter, message: Message, original: Message | None, dead_letters: str) -> Output | str:
    """Return a copy of the original record for the partition it came from, so that a user stays in one partition.

    Or why there is none. `message` is the letter as it was read, `original` what stands at the place that it names.
    """
    if original is None:
        return "names a record that its topic no longer has"
    if not says_the_same(message, original):
        return "says something else than the record that it names"
    key, value = original.key(), original.value()
    if len(key or b"") + len(value or b"") > MAX_RECORD_BYTES - 1_000:
        return f"is larger than Lapse writes ({MAX_RECORD_BYTES:,} bytes)"
    replayed_from = (_REPLAYED_FROM, f"{dead_letters}/{letter.partition}/{letter.offset}".encode())
    headers = [header for header in original.headers() or [] if header[0] != _REPLAYED_FROM]
    kind, timestamp = original.timestamp()
    time = timestamp if kind else 0
    return Output(original.topic(), original.partition(), key, value, [*headers, replayed_from], time)


def _plan_lines(found: Survey, source: str) -> Iterator[str]:
    """Yield lines that say what would happen."""
    yield f"{_letters(len(found))} would be written back to {source}" if found else "there is nothing to replay"
    yield from _stay_lines(found)


def _stay_lines(found: Survey) -> Iterator[str]:
    for why, count in found.stay.most_common():
        yield f"{_letters(count)} cannot be replayed: each {why}"


def _letters(number: int) -> str:
    return f"{number:,} letter{'' if number == 1 else 's'}"


class _Replay:
    """Step 4."""

    def __init__(self, b: DeadLetterTopic, originals: Consumer, producer: TransactionalProducer, found: Survey) -> None:
        """`originals` reads the input."""
        self._b = b
        self._originals = originals
        self._producer = producer
        self._found = found

    def run(self) -> int:
        """Return how many letters were replayed; the survey tells why others were not."""
        done = 0
        try:
            for batch in self._batches():
                done += self._write(batch)
        except Aborted as problem:
            text = f"{_letters(done)} replayed; the broker does not accept the next ones: {problem}"
            raise CommandFailed(text) from None
        except Fenced:
            text = f"{_letters(done)} replayed; then another replay began: run this again when it has ended"
            raise CommandFailed(text) from None
        return done

    def _write(self, batch: list[tuple[DeadLetter, Message]]) -> int:
        """Write copies and notes in one transaction. A record with two letters is written once."""
        origins = (letter.origin for letter, _ in batch if letter.origin is not None)
        originals = dict(origin_reader.find(self._originals, origins))
        copies: dict[Origin | None, Output] = {}
        replayed: dict[int, list[int]] = {}
        for letter, message in batch:
            original = originals.get(letter.origin) if letter.origin else None
            copy = replayed_record(letter, message, original, self._b.topic)
            if isinstance(copy, str):
                self._found.stay[copy] += 1
            else:
                copies.setdefault(letter.origin, copy)
                replayed.setdefault(letter.partition, []).append(letter.offset)
        if copies:
            notes = [topic_reader.replay_note(self._b.topic, *each) for each in replayed.items()]
            self._producer.write([*copies.values(), *notes])
        return sum(map(len, replayed.values()))

    def _batches(self) -> Iterator[list[tuple[DeadLetter, Message]]]:
        """Yield the letters to replay, in batches of the size of one transaction."""
        batch: list[tuple[DeadLetter, Message]] = []
        size = 0
        for message in topic_reader.read(self._b.consumer, self._b.topic, self._found.spans()):
            if not self._found.has_to_go(message.partition(), message.offset()):
                continue
            letter = topic_reader.parse(message)
            assert isinstance(letter, DeadLetter)
            batch.append((letter, message))
            size += letter.size or 0
            if len(batch) >= _MAX_LETTERS or size >= _MAX_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch
