"""What would have happened: the lapses of a history, what the policies let through, and what other thresholds would do.

Pure. Only what can be known from a history alone is replayed: the frequency caps and the spacing between a process's
messages. Consent, names, numbers, send windows and the channel are not.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from consumer.clock import DAY, HOUR, MINUTE, Millis
from consumer.config.types import format_millis
from consumer.detect.lapse_rules import LapseRules, Processes
from consumer.insight.curve_drawing import CurveRow
from consumer.insight.return_curve import MIN_AT_RISK, Estimate, ReturnCurve
from consumer.insight.whole_history.activities import MESSAGE, Activities, pick
from consumer.insight.whole_history.gaps import GapsOfProcess, find_gaps
from consumer.insight.whole_history.lapses import OUTCOMES, Lapses, find_lapses
from consumer.insight.whole_history.policies import VERDICTS, judge

HORIZONS: Mapping[str, Millis] = {"hour": HOUR, "day": DAY, "week": 7 * DAY}
_SPANS = (15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, DAY, 2 * DAY, 3 * DAY, 7 * DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """One step of one process: its lapses, and what became of them."""

    process: str
    step: int
    after: Millis
    asked: int
    expired: int
    skipped: int
    sent: int
    capped: int
    """A cap would have held it back, at least for a while."""
    too_soon: int
    """The process's last message would have been too recent."""
    returns: Mapping[str, Estimate | None]
    """Of those quiet for so long, who comes back without a message within an hour, a day, a week."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """What another threshold would do: messages a day, before consent and caps, what they cost if all are delivered
    (None without a price), and the share of them that would not have been needed within an hour, a day, a week."""

    process: str
    after: Millis
    messages_a_day: float
    cost_a_day: float | None
    needless: Mapping[str, Estimate | None]


@dataclass(frozen=True, slots=True)
class Silences:
    """How often people of a process were silent, and how many of these silences are only known up to a message."""

    process: str
    count: int
    cut_by_messages: int


@dataclass(frozen=True, slots=True)
class Price:
    """What one delivered message costs; `basis` says in words where the number is from."""

    amount: float
    currency: str
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """Everything that was found. Curve rows are (seconds, share still away, lower, upper, people at risk).

    `notes` are sentences about what the numbers cannot say.
    """

    since: Millis
    until: Millis
    activities: int
    people: int
    silences: Sequence[Silences]
    price: Price | None
    notes: Sequence[str]
    steps: Sequence[StepResult]
    thresholds: Sequence[Threshold]
    curves: Mapping[str, Sequence[CurveRow]]

    def configured(self, process: str) -> list[Millis]:
        """Return the thresholds of a process that were replayed."""
        return [each.after for each in self.steps if each.process == process]


def backtest(
    parts: Iterable[Activities],
    rules: LapseRules,
    caps: Mapping[Millis, int],
    since: Millis,
    until: Millis,
    price: Price | None = None,
) -> Backtest:
    """Replay a history from `since` to `until`. Each part has all activities of some users, and the messages to them.

    Processes are numbered as in `rules`. `caps` are the most messages to one user by span.
    """
    counts, gaps = _Counts(), {name: GapsOfProcess() for name in rules.ladders}
    for part in parts:
        counts.add(pick(part, part.endings != MESSAGE), Processes(rules), caps, until)
        found = find_gaps(part, until)
        for code, each in enumerate(gaps.values()):
            if (which := found.processes == code).any():
                each.add(pick(found, which))
    gaps = {name: each for name, each in gaps.items() if each.counts.total}
    curves = {name: ReturnCurve(each.counts) for name, each in gaps.items()}
    days = max((until - since) / DAY, 1 / 24)
    return Backtest(
        since=since,
        until=until,
        activities=counts.activities,
        people=counts.people,
        silences=[Silences(name, each.counts.total, each.cut_by_messages) for name, each in sorted(gaps.items())],
        price=price,
        notes=[*_few_people(rules, curves), *_about_messages(gaps)],
        steps=[
            StepResult(
                process=name,
                step=step,
                after=after,
                asked=counts.of[code, step, "asked"],
                expired=counts.of[code, step, "expired"],
                skipped=counts.of[code, step, "skipped"],
                sent=counts.of[code, step, "sent"],
                capped=counts.of[code, step, "frequency_cap"],
                too_soon=counts.of[code, step, "too_soon"],
                returns=_returns(curves.get(name), after),
            )
            for code, (name, ladder) in enumerate(rules.ladders.items())
            for step, after in enumerate(ladder)
        ],
        thresholds=[each for name, curve in curves.items() for each in _thresholds(name, curve, rules, days, price)],
        curves={name: curve.rows() for name, curve in curves.items()},
    )


class _Counts:
    """How many activities, people and lapses, and what became of these, by (process, step, outcome or verdict)."""

    def __init__(self) -> None:
        self.activities = 0
        self.people = 0
        self.of: Counter[tuple[int, int, str]] = Counter()

    def add(self, activities: Activities, processes: Processes, caps: Mapping[Millis, int], until: Millis) -> None:
        """Add those of other users."""
        self.activities += activities.size
        self.people += activities.people
        found = list(find_lapses(activities, processes, until))
        if not found:
            return
        lapses = Lapses(*map(np.concatenate, zip(*found, strict=True)))
        self._count(lapses, lapses.outcomes, OUTCOMES)
        self._count(*judge(pick(lapses, lapses.outcomes == OUTCOMES.index("asked")), processes, caps), VERDICTS)

    def _count(self, lapses: Lapses, which: npt.NDArray[np.int64], names: Sequence[str]) -> None:
        shape = (int(lapses.processes.max(initial=0)) + 1, int(lapses.steps.max(initial=0)) + 1, len(names))
        cells = np.ravel_multi_index((lapses.processes, lapses.steps, which), shape)
        numbers = np.bincount(cells, minlength=math.prod(shape)).reshape(shape)
        for process, step, place in np.argwhere(numbers).tolist():
            self.of[process, step, names[place]] += int(numbers[process, step, place])


def _thresholds(
    process: str, curve: ReturnCurve, rules: LapseRules, days: float, price: Price | None
) -> Iterator[Threshold]:
    """Yield a row for each threshold that enough people were quiet for."""
    for after in sorted({*_SPANS, *rules.ladders[process]}):
        if (silences := curve.gaps_longer_than(after)) is not None:
            messages = silences / days
            cost = None if price is None else messages * price.amount
            yield Threshold(process, after, messages, cost, _returns(curve, after))


def _few_people(rules: LapseRules, curves: Mapping[str, ReturnCurve]) -> Iterator[str]:
    """Yield a sentence for each configured step that the history says nothing about."""
    for process, ladder in rules.ladders.items():
        for after in ladder:
            people = curves[process].people_left(after) if process in curves else 0
            if people < MIN_AT_RISK:
                span = format_millis(after)
                yield (
                    f"{process}: {people} people were away for longer than {span} within this history. Where fewer"
                    f" than {MIN_AT_RISK} were, it says nothing about them: a longer history may"
                )


def _about_messages(gaps: Mapping[str, GapsOfProcess]) -> Iterator[str]:
    for process, each in sorted(gaps.items()):
        if each.cut_by_messages:
            share = each.cut_by_messages / each.counts.total
            yield (
                f"{process}: {each.cut_by_messages:,} of {each.counts.total:,} silences ({share:.2%}) count only up to"
                " a message that went out. Beyond it the curve rests on people who got none, such as the holdout"
            )


def _returns(curve: ReturnCurve | None, after: Millis) -> dict[str, Estimate | None]:
    return {name: None if curve is None else curve.returns_within(after, span) for name, span in HORIZONS.items()}
