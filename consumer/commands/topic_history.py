"""What a topic no longer holds of the time that was asked for, in words."""

from collections.abc import Callable, Iterator

from consumer.clock import Millis
from consumer.wiring.activity_reader import Coverage


def missing(topic: str, coverage: Coverage, show: Callable[[Millis], str]) -> Iterator[str]:
    """Yield a sentence for each thing that somebody who reads the topic's history has to know; `show` writes times."""
    deleted = "past the topic's retention (retention.ms), or was deleted"
    if coverage.is_empty and coverage.cut:
        yield f"{topic} is empty: what was written to it is {deleted}"
    elif coverage.is_empty:
        yield f"{topic} is empty: nothing was written to it yet. Is it the right one, and does anybody write to it?"
    elif coverage.complete_from is not None:
        begin = show(coverage.complete_from)
        yield f"{topic} no longer holds everything of before {begin}: what is missing is {deleted}"
    elif coverage.cut:
        yield f"{topic} no longer holds everything of that time: what is missing is {deleted}"
    if coverage.is_compacted:
        yield (
            f"{topic} is compacted (cleanup.policy): of each key only the latest records are sure to be left, so people"
            " look quieter than they were"
        )
