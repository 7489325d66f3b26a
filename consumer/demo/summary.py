"""What is said when the demo ends. Pure."""

from collections.abc import Iterator, Sequence

from consumer.clock import SECOND, Millis
from consumer.demo.verdict import Evidence
from consumer.demo.view import sorted_statuses


def summary(seen: Evidence, people: int, activities: int, first_message: Millis | None, problems: Sequence[str]) -> str:
    """Lines of text: the sums, then whether the demo showed what it should. `first_message`: after so long."""
    return "\n".join((*_sums(seen, people, activities), *_first(first_message), "", *_judgement(problems)))


def _sums(seen: Evidence, people: int, activities: int) -> Iterator[str]:
    counts = seen.counts
    yield f"{people} people, {activities} activities, {counts.lapses} lapses. Where their reminders stand:"
    for status, count in sorted_statuses(counts.statuses):
        reasons = sorted((n, reason) for (stands, reason), n in counts.reasons.items() if stands == status)
        told = ", ".join(f"{n} {reason}" for n, reason in reversed(reasons))
        yield f"  {count:>5}  {status}" + (f" ({told})" if told else "")
    yield f"Messages taken by 1MSG (the sandbox): {seen.taken}; of them named in delivery-status: {_named(seen)}"
    yield f"Records read from delivery-status: {counts.records}"


def _first(after: Millis | None) -> Iterator[str]:
    if after is not None:
        yield f"The first message was taken {after / SECOND:.1f} s after the start"


def _named(seen: Evidence) -> int:
    return len(seen.named & frozenset(seen.accepted))


def _judgement(problems: Sequence[str]) -> Iterator[str]:
    if not problems:
        yield "Reminders went out, their fate was read back from delivery-status, and none was sent twice."
        return
    yield "The demo did not show what it should:"
    for problem in problems:
        yield f"  - {problem}"
