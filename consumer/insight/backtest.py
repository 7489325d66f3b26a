"""What would have happened: the lapses of a history, what the policies let through, and what other thresholds would do.

Pure. Only what can be known from a history alone is replayed: the frequency caps and the spacing between a process's
messages. Consent, names, numbers, send windows and the channel are not.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from consumer.clock import DAY, HOUR, MINUTE, Millis
from consumer.config.types import format_millis
from consumer.deliver.policy.frequency_cap import next_allowed
from consumer.detect.lapse_rules import LapseRules, Processes
from consumer.detect.table import Table
from consumer.insight.curve_drawing import CurveRow
from consumer.insight.gaps import Gaps, count_gaps
from consumer.insight.replay import replay
from consumer.insight.return_curve import MIN_AT_RISK, Estimate, ReturnCurve

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


def backtest(
    history: pl.DataFrame,
    sends: pl.DataFrame,
    rules: LapseRules,
    caps: Mapping[Millis, int],
    until: Millis | None,
    price: Price | None = None,
) -> Backtest:
    """Replay a history that is not empty. `history` is as in `replay`, `sends` has the columns of `gaps.SENDS`.

    `caps` are the most messages to one user by span. The history ends at `until`, or with its last record.
    """
    known = history.filter(pl.col("process").is_in(list(rules.ladders)))
    end = int(history["written_at"].max()) if until is None else until  # type: ignore[arg-type]
    since = int(history["occurred_at"].min())  # type: ignore[arg-type]
    lapses, sent, held = _lapses(known, rules, caps, end)
    gaps = count_gaps(known, sends, end)
    curves = {name: ReturnCurve(each.counts) for name, each in gaps.items()}
    days = max((end - since) / DAY, 1 / 24)
    return Backtest(
        since=since,
        until=end,
        activities=known.height,
        people=known["user_id"].n_unique(),
        silences=[Silences(name, each.counts.total, each.cut_by_messages) for name, each in sorted(gaps.items())],
        price=price,
        notes=[*_few_people(rules, curves), *_about_messages(gaps)],
        steps=[
            StepResult(
                process=name,
                step=step,
                after=after,
                asked=lapses[name, step, "asked"],
                expired=lapses[name, step, "expired"],
                skipped=lapses[name, step, "skipped"],
                sent=sent[name, step],
                capped=held[name, step, "frequency_cap"],
                too_soon=held[name, step, "too_soon"],
                returns=_returns(curves.get(name), after),
            )
            for name, ladder in rules.ladders.items()
            for step, after in enumerate(ladder)
        ],
        thresholds=[each for name, curve in curves.items() for each in _thresholds(name, curve, rules, days, price)],
        curves={name: curve.rows() for name, curve in curves.items()},
    )


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


def _about_messages(gaps: Mapping[str, Gaps]) -> Iterator[str]:
    for process, each in sorted(gaps.items()):
        if each.cut_by_messages:
            share = each.cut_by_messages / each.counts.total
            yield (
                f"{process}: {each.cut_by_messages:,} of {each.counts.total:,} silences ({share:.2%}) count only up to"
                " a message that went out. Beyond it the curve rests on people who got none, such as the holdout"
            )


def _lapses(
    history: pl.DataFrame, rules: LapseRules, caps: Mapping[Millis, int], until: Millis
) -> tuple[Counter[tuple[str, int, str]], Counter[tuple[str, int]], Counter[tuple[str, int, str]]]:
    """Return the lapses by (process, step, outcome), those that would be sent, and those that would be held back."""
    lapses: Counter[tuple[str, int, str]] = Counter()
    asked: list[tuple[Millis, str, str, int]] = []
    for result in replay(Table(Processes(rules)), history, until):
        lapses.update(result.lapses)
        for each in result.reminders():
            asked.append((each.lapsed_at or 0, each.user_id or "", each.process or "", each.step or 0))
    sent: Counter[tuple[str, int]] = Counter()
    held: Counter[tuple[str, int, str]] = Counter()
    written: defaultdict[str, list[tuple[Millis, str]]] = defaultdict(list)
    for at, user, process, step in sorted(asked):
        reason = _objection(written[user], process, at, rules.ladders[process][0], caps)
        if reason is None:
            sent[process, step] += 1
            written[user].append((at, process))
        else:
            held[process, step, reason] += 1
    return lapses, sent, held


def _objection(
    written: Sequence[tuple[Millis, str]], process: str, at: Millis, shortest_rung: Millis, caps: Mapping[Millis, int]
) -> str | None:
    if any(other == process and at - before < shortest_rung for before, other in written):
        return "too_soon"
    return "frequency_cap" if next_allowed([before for before, _ in written], caps) > at else None


def _returns(curve: ReturnCurve | None, after: Millis) -> dict[str, Estimate | None]:
    return {name: None if curve is None else curve.returns_within(after, span) for name, span in HORIZONS.items()}
