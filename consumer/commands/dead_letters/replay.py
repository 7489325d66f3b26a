"""`lapse dead-letters replay`: writes dead letters back to their topics, each at most once.

1. Begin.      Our transactional id fences any other replay; what that one committed is visible from here on.
2. Survey.     Read the whole topic up to its present end: letters, and notes of those that were replayed before.
3. Ask.        Say how many would be replayed, and to which topics.
4. Replay.     A batch at a time, in one transaction: copies with their own keys and bytes in the partitions that they
               came from, and a note for each partition of the dead-letters topic.

A letter is replayed if no note names it, so a second run, with the same filter or another, repeats nothing. A crash
before a commit leaves nothing, after it the copies and their note. Of two replays at once only the later one commits,
and it begins before it reads. Letters that arrive during a run are left for the next one.

The notes are on the topic itself and not in a consumer group's offsets: an offset cannot say that a filter skipped some
letters before it, and a broker deletes the offsets of an empty group after a week, when most letters are still there.

A replayed record that still cannot be read becomes a new letter. A record that was set aside twice, because deliver was
killed before it could commit, is two letters; both are replayed, and the second changes nothing for its reader.

Only topics that Lapse reads are written to, whatever a letter's headers say.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import typer

from consumer import log
from consumer.commands.dead_letters.selection import DeadLetterFilter, DeadLetterTopic, open_topic, replay_group
from consumer.commands.terminal.exit_codes import DONE, FAILED, CommandFailed
from consumer.commands.terminal.output import echo
from consumer.config.loader import load
from consumer.config.settings import Settings
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.transactional_producer import Aborted, Fenced, TransactionalProducer, command_producer
from consumer.kafka.dead_letters import topic_reader
from consumer.kafka.dead_letters.offset_bitmap import OffsetBitmap
from consumer.kafka.dead_letters.topic_reader import DeadLetter, Message, ReplayNote

_MAX_LETTERS, _MAX_BYTES = 500, 8 * 1024 * 1024  # in one transaction

Targets: TypeAlias = Mapping[str, int]
"""The topics that may be written to, with their numbers of partitions."""


@dataclass(slots=True)
class Survey:
    """`to_go`: the offsets of letters to replay, by their partition and their target topic. `stay`: how many cannot be
    replayed, by reason."""

    to_go: dict[tuple[int, str], OffsetBitmap] = field(default_factory=dict)
    stay: Counter[str] = field(default_factory=Counter)

    def by_topic(self) -> Counter[str]:
        counts = Counter[str]()
        for (_, topic), some in self.to_go.items():
            counts[topic] += len(some)
        return +counts

    def spans(self) -> dict[int, range]:
        """Return, for each partition, the range of offsets that contains the letters to replay."""
        spans: dict[int, range] = {}
        for (partition, _), some in self.to_go.items():
            if some:
                span, known = some.span(), spans.get(partition, some.span())
                spans[partition] = range(min(span.start, known.start), max(span.stop, known.stop))
        return spans

    def has_to_go(self, partition: int, offset: int) -> bool:
        return any(offset in some for (at, _), some in self.to_go.items() if at == partition)


def main(config: Path, chosen: DeadLetterFilter, *, yes: bool) -> int:
    """Replay the chosen letters after the user agreed; return the exit status.

    Raises:
        ConfigError: the settings are not right.
        typer.BadParameter: Lapse does not read the chosen topic.
        CommandFailed: the topic cannot be read, or the broker does not accept the copies.
    """
    settings = load(config)
    log.configure_for_command()
    sources = _source_topics(settings)
    if chosen.topic is not None and chosen.topic not in sources:
        raise typer.BadParameter(f"Lapse reads only {', '.join(sources)}", param_hint="--topic")
    with (
        open_topic(settings) as b,
        closing(command_producer(settings.kafka, name=replay_group(settings))) as producer,
    ):
        producer.take_over()
        targets = {topic: len(b.cluster.topics[topic].partitions) for topic in sources if topic in b.cluster.topics}
        found = survey(b.records(), chosen, targets)
        number = found.by_topic().total()
        for line in _plan_lines(found, contacts=settings.topics.contacts):
            echo(line)
        if not number:
            return DONE
        if not (yes or typer.confirm(f"Replay {_letters(number)}?")):
            echo("nothing was replayed")
            return FAILED
        echo(f"{_letters(_replay(b, producer, found))} replayed")
        return DONE


def survey(records: Iterable[DeadLetter | ReplayNote], chosen: DeadLetterFilter, targets: Targets) -> Survey:
    """Return which of the chosen letters to replay, and which have to stay. `records` is everything on the topic."""
    found = Survey()
    for record in records:
        if isinstance(record, ReplayNote):  # it comes after the letters that it names
            for (partition, _), some in found.to_go.items():
                for offset in record.offsets if partition == record.partition else ():
                    some.discard(offset)
        elif chosen.matches(record):
            obstacle = obstacle_of(record, targets)
            if obstacle:
                found.stay[obstacle] += 1
            elif record.origin:
                found.to_go.setdefault((record.partition, record.origin.topic), OffsetBitmap(record.offset)).add(
                    record.offset
                )
    return found


def obstacle_of(letter: DeadLetter, targets: Targets) -> str | None:
    """Return why the letter cannot be replayed; None if it can."""
    if letter.origin is None:
        return "has no headers that say where it came from"
    if letter.origin.topic not in targets:
        return "came from a topic that Lapse does not read, or that no longer exists"
    if letter.origin.partition >= targets[letter.origin.topic]:
        return "came from a partition that its topic does not have"
    return None


def replayed_record(letter: DeadLetter, message: Message, dead_letters: str) -> Output:
    """Return a copy of the original record for the partition it came from, so that a user stays in one partition."""
    assert letter.origin is not None  # otherwise obstacle_of keeps it
    source = f"{dead_letters}/{letter.partition}/{letter.offset}".encode()
    value, key = message.value(), message.key()
    return Output(letter.origin.topic, letter.origin.partition, key, value, [("replayed_from", source)])


def _source_topics(settings: Settings) -> list[str]:
    return [settings.source.topic, settings.topics.contacts, settings.topics.reminders]


def _plan_lines(found: Survey, *, contacts: str) -> Iterator[str]:
    """Yield lines that say what would happen."""
    for topic, count in found.by_topic().most_common():
        yield f"{_letters(count)} would be written back to {topic}"
        if topic == contacts:
            yield "  (each replaces newer contact data of the same user: check that there is none)"
    if not found.by_topic():
        yield "there is nothing to replay"
    for why, count in found.stay.most_common():
        yield f"{_letters(count)} cannot be replayed: each {why}"


def _letters(number: int) -> str:
    return f"{number:,} letter{'' if number == 1 else 's'}"


def _replay(b: DeadLetterTopic, producer: TransactionalProducer, found: Survey) -> int:
    """Do step 4; return how many letters were replayed."""
    done = 0
    try:
        for batch in _batches(b, found):
            offsets_by_partition: dict[int, list[int]] = {}
            for letter, _ in batch:
                offsets_by_partition.setdefault(letter.partition, []).append(letter.offset)
            producer.write(
                [
                    *(replayed_record(letter, message, b.topic) for letter, message in batch),
                    *(
                        topic_reader.replay_note(b.topic, partition, offsets)
                        for partition, offsets in offsets_by_partition.items()
                    ),
                ]
            )
            done += len(batch)
    except Aborted as problem:
        raise CommandFailed(f"{_letters(done)} replayed; the broker does not accept the next ones: {problem}") from None
    except Fenced:
        raise CommandFailed(
            f"{_letters(done)} replayed; then another replay began: run this again when it has ended"
        ) from None
    return done


def _batches(b: DeadLetterTopic, found: Survey) -> Iterator[list[tuple[DeadLetter, Message]]]:
    """Yield the letters to replay, in batches of the size of one transaction."""
    batch: list[tuple[DeadLetter, Message]] = []
    size = 0
    for message in topic_reader.read(b.consumer, b.topic, found.spans()):
        if not found.has_to_go(message.partition(), message.offset()):
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
