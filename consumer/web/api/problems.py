"""What is wrong right now, in sentences, each with the page that helps. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer.clock import MINUTE, Millis
from consumer.insight.story import span

if TYPE_CHECKING:  # which has these problems in it
    from consumer.web.api.now import Now

_LATE: Millis = MINUTE
"""A reminder that is due for longer should have gone out."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A sentence, and the path of the console's page that shows more."""

    text: str
    link: str


def problems_of(now: "Now", max_staleness: Millis) -> list[Problem]:
    """Return what an operator should look at, the worst first."""
    return [*_standing_still(now, max_staleness), *_stopped(now), *_waiting(now)]


def _standing_still(now: "Now", max_staleness: Millis) -> Iterator[Problem]:
    for part in now.parts:
        if not part.ok:
            why = (part.detail or "it says nothing").rstrip(".")
            yield Problem(f"{part.name} does not work: {why}.", "/#parts")
    if now.brake:
        for words in now.brake.words:
            yield Problem(f"{words[:1].upper()}{words[1:]}.", "/needs#brake")
    if now.has_ledger and now.watermark is None:
        yield Problem("Detect has not told yet how far it has read, so nothing is sent.", "/#detect")
    elif now.watermark is not None and now.at - now.watermark >= max_staleness:
        behind = span(now.at - now.watermark)
        yield Problem(f"Detect is {behind} behind in partition {now.watermark_partition}: nothing is sent.", "/#detect")


def _stopped(now: "Now") -> Iterator[Problem]:
    for each in now.stopped:
        yield Problem(f"{_what(each.name)} is stopped: {each.why.rstrip('.')}.", "/needs#stopped")
    for pause in now.paused:
        yield Problem(f"{(pause.process or 'everything').capitalize()} is paused.", "/needs#pauses")


def _what(name: str) -> str:
    """Return the name of a channel, or of a template on it, in words."""
    medium, _, template = name.partition("/")
    template, _, language = template.partition("/")
    return f"Template {template} ({language}) on {medium}" if template else f"The channel {medium}"


def _waiting(now: "Now") -> Iterator[Problem]:
    if now.oldest_due is not None and now.at - now.oldest_due >= _LATE:
        yield Problem(f"A reminder is due for {span(now.at - now.oldest_due)} and has not gone out.", "/needs#waiting")
    if now.unresolved:
        messages = "1 message was" if now.unresolved == 1 else f"{now.unresolved:,} messages were"
        yield Problem(f"Nobody knows whether {messages} sent.", "/needs#in-doubt")
    if now.likely_opt_outs:
        noun = "person" if now.likely_opt_outs == 1 else "people"
        yield Problem(f"{now.likely_opt_outs:,} {noun} may have opted out in words of their own.", "/needs#likely")
    if now.dead_letters:
        noun = "record" if now.dead_letters == 1 else "records"
        ago = span(max(0, now.at - now.dead_letters_since))
        words = f"{now.dead_letters:,} {noun} could not be read since this process started, {ago} ago."
        yield Problem(words, "/needs#dead-letters")
