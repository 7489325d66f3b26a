"""`lapse dead-letters replay`: what could not be read goes back onto its topic, each letter at most once.

1. Begin.      Our transactional id puts out any other replay; what that one had committed, we will see.
2. Survey.     The whole topic, to the end it has now: letters, and notes of those that were put back before.
3. Ask.        How many would go, and where to.
4. Put back.   Some letters at a time: copies with their own keys and bytes into the partitions they came from, and a
               note for each partition of the dead letters, in one transaction.

A letter goes back if no note names it, so calling this again, with the same filter or another, repeats nothing. What a
crash leaves behind: before a commit nothing, after it the copies and their note. Of two at once only the later can
commit, and it begins before it looks. Letters that come while this runs are left for the next time.

The notes are on the topic itself and not in a consumer group's offsets, because an offset cannot say that a filter left
out some of what is before it, and because a broker forgets the offsets of a group that nobody is in after a week, when
most letters are still there.

A record that goes back and still cannot be read becomes a new letter. A record that was set aside twice, because
deliver was killed before it could commit, is two letters; both go back, and the second changes nothing for its reader.

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
from consumer.config.loader import load
from consumer.config.settings import Settings
from consumer.kafka.clients.all_or_nothing import AllOrNothing, NotWritten, Replaced
from consumer.kafka.clients.transaction import Output
from consumer.kafka.dead_letters import topic_reader
from consumer.kafka.dead_letters.offset_bitmap import OffsetBitmap
from consumer.kafka.dead_letters.topic_reader import DeadLetter, Message, ReplayNote

_MOST, _MOST_BYTES = 500, 8 * 1024 * 1024  # of one transaction

Targets: TypeAlias = Mapping[str, int]
"""Topics that may be written to, with their numbers of partitions."""


@dataclass(slots=True)
class Survey:
    """`to_go` has letters' offsets, by their partition and the topic that they go onto; `stay` counts, by why."""

    to_go: dict[tuple[int, str], OffsetBitmap] = field(default_factory=dict)
    stay: Counter[str] = field(default_factory=Counter)

    def by_topic(self) -> Counter[str]:
        counts = Counter[str]()
        for (_, topic), some in self.to_go.items():
            counts[topic] += len(some)
        return +counts

    def spans(self) -> dict[int, range]:
        """Where the letters to go are."""
        spans: dict[int, range] = {}
        for (partition, _), some in self.to_go.items():
            if some:
                span, known = some.span(), spans.get(partition, some.span())
                spans[partition] = range(min(span.start, known.start), max(span.stop, known.stop))
        return spans

    def has_to_go(self, partition: int, offset: int) -> bool:
        return any(offset in some for (at, _), some in self.to_go.items() if at == partition)


def main(config: Path, chosen: DeadLetterFilter, *, yes: bool) -> int:
    """Puts the chosen back, once that was agreed to; the exit status.

    Raises:
        ConfigError: the settings are not right.
        typer.BadParameter: Lapse does not read the chosen topic.
        Failed: the topic cannot be read, or the broker does not take what should go back.
    """
    settings = load(config)
    log.configure_for_command()
    reads = _reads(settings)
    if chosen.topic is not None and chosen.topic not in reads:
        raise typer.BadParameter(f"Lapse reads {', '.join(reads)}", param_hint="--topic")
    with open_topic(settings) as b, closing(AllOrNothing(settings.kafka, name=replay_group(settings))) as writer:
        writer.begin()
        targets = {topic: len(b.cluster.topics[topic].partitions) for topic in reads if topic in b.cluster.topics}
        records = map(topic_reader.opened, topic_reader.read(b.consumer, b.topic, topic_reader.whole(b.admin, b.topic)))
        found = survey(records, chosen, targets)
        number = found.by_topic().total()
        for line in _told(found, contacts=settings.topics.contacts):
            typer.echo(line)
        if not number:
            return DONE
        if not (yes or typer.confirm(f"Put {_letters(number)} back?")):
            typer.echo("nothing was put back")
            return FAILED
        typer.echo(f"{_letters(_put_back(b, writer, found))} put back")
        return DONE


def survey(records: Iterable[DeadLetter | ReplayNote], chosen: DeadLetterFilter, targets: Targets) -> Survey:
    """What of the chosen is to go back, and what has to stay. `records` are all that the topic holds."""
    found = Survey()
    for record in records:
        if isinstance(record, ReplayNote):  # which stands behind the letters that it names
            for (partition, _), some in found.to_go.items():
                for offset in record.letters if partition == record.partition else ():
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
    """Why it cannot go back, if it cannot."""
    if letter.origin is None:
        return "does not say where it came from"
    if letter.origin.topic not in targets:
        return "came from a topic that Lapse does not read, or that is gone"
    if letter.origin.partition >= targets[letter.origin.topic]:
        return "came from a partition that its topic does not have"
    return None


def replayed_record(letter: DeadLetter, message: Message, dead_letters: str) -> Output:
    """The original once more, in the partition it came from: all that is about a user stays in one."""
    assert letter.origin is not None  # or it would have to stay
    came = f"{dead_letters}/{letter.partition}/{letter.offset}".encode()
    value, key = message.value(), message.key()
    return Output(letter.origin.topic, letter.origin.partition, key, value, [("replayed_from", came)])


def _reads(settings: Settings) -> list[str]:
    return [settings.source.topic, settings.topics.contacts, settings.topics.reminders]


def _told(found: Survey, *, contacts: str) -> Iterator[str]:
    """What would happen, for people."""
    for topic, count in found.by_topic().most_common():
        yield f"{_letters(count)} would go back onto {topic}"
        if topic == contacts:
            yield "  (each replaces what was said about its user since, so look whether there is anything newer)"
    if not found.by_topic():
        yield "there is nothing to put back"
    for why, count in found.stay.most_common():
        yield f"{_letters(count)} must stay: each {why}"


def _letters(number: int) -> str:
    return f"{number:,} letter{'' if number == 1 else 's'}"


def _put_back(b: DeadLetterTopic, writer: AllOrNothing, found: Survey) -> int:
    """Step 4; how many."""
    done = 0
    try:
        for batch in _batches(b, found):
            places: dict[int, list[int]] = {}
            for letter, _ in batch:
                places.setdefault(letter.partition, []).append(letter.offset)
            writer.write(
                [
                    *(replayed_record(letter, message, b.topic) for letter, message in batch),
                    *(topic_reader.note(b.topic, partition, offsets) for partition, offsets in places.items()),
                ]
            )
            done += len(batch)
    except NotWritten as problem:
        raise CommandFailed(f"{_letters(done)} put back; the broker does not take the next ones: {problem}") from None
    except Replaced:
        raise CommandFailed(
            f"{_letters(done)} put back; then another replay began: call this again for what it leaves"
        ) from None
    return done


def _batches(b: DeadLetterTopic, found: Survey) -> Iterator[list[tuple[DeadLetter, Message]]]:
    """The letters to go, as many at a time as one transaction takes."""
    batch: list[tuple[DeadLetter, Message]] = []
    size = 0
    for message in topic_reader.read(b.consumer, b.topic, found.spans()):
        if not found.has_to_go(message.partition(), message.offset()):
            continue
        letter = topic_reader.opened(message)
        assert isinstance(letter, DeadLetter)
        batch.append((letter, message))
        size += letter.size or 0
        if len(batch) >= _MOST or size >= _MOST_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
