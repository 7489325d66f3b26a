"""The numbers behind the pages' tables and bars. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from consumer.insight.report import ProcessUplift, ReasonCount, Step

_DAYS = 14
_STAGES = ("requested", "sent", "delivered", "read", "returned", "ended")


@dataclass(frozen=True, slots=True)
class Bar:
    """One stage of a step: its name, its count, and its share of what was requested (0 to 100)."""

    name: str
    count: int
    percent: float


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """Why people of a process were not written to: how many in all, and on each of `ReasonDays.days`."""

    process: str
    reason: str
    total: int
    by_day: Sequence[int]


@dataclass(frozen=True, slots=True)
class ReasonDays:
    """The latest days that have anything (days since 1970), and a row for each process and reason."""

    days: Sequence[int]
    rows: Sequence[ReasonRow]


@dataclass(frozen=True, slots=True)
class Range:
    """An interval on an axis that is 0 to 100 wide: where it begins, and its width."""

    left: float
    width: float


@dataclass(frozen=True, slots=True)
class UpliftAxis:
    """Both intervals of an uplift on one axis, and where no difference is on it."""

    interval: Range
    sequence: Range
    zero: float


def bars_of(step: Step) -> list[Bar]:
    """Return the stages of a step, the first of which is what was requested."""
    counts = [(name, int(getattr(step, name))) for name in _STAGES]
    return [Bar(name, count, 100 * count / step.requested if step.requested else 0) for name, count in counts]


def reason_days(reasons: Sequence[ReasonCount]) -> ReasonDays:
    """Return the reasons by day, the most frequent first."""
    days = sorted({each.day for each in reasons})[-_DAYS:]
    cells = Counter[tuple[str, str, int]]()
    totals = Counter[tuple[str, str]]()
    for each in reasons:
        cells[each.process, each.reason, each.day] += each.count
        totals[each.process, each.reason] += each.count
    rows = [
        ReasonRow(process, reason, total, [cells[process, reason, day] for day in days])
        for (process, reason), total in sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    ]
    return ReasonDays(days, rows)


def uplift_axis(found: ProcessUplift) -> UpliftAxis | None:
    """Return where the intervals lie; None while there is no comparison."""
    interval, sequence = found.uplift.interval, found.uplift.sequence
    if interval is None or sequence is None:
        return None
    low = min(sequence.lower, interval.lower, 0) - 0.01
    high = max(sequence.upper, interval.upper, 0) + 0.01

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    def span(lower: float, upper: float) -> Range:
        return Range(place(lower), round(place(upper) - place(lower), 2))

    return UpliftAxis(span(interval.lower, interval.upper), span(sequence.lower, sequence.upper), place(0))
