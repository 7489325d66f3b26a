"""What would have happened: the lapses of a history, what the policies let through, and what other thresholds would do.

Pure. Only what can be known from a history alone is replayed: the frequency caps and the spacing between a process's
messages. Consent, names, numbers, send windows and the channel are not.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from consumer.clock import DAY, HOUR, MINUTE, Millis
from consumer.deliver.policy.frequency_cap import next_allowed
from consumer.detect.lapse_rules import LapseRules, Processes
from consumer.detect.table import Table
from consumer.insight.gaps import count_gaps, share_cut_by_messages
from consumer.insight.replay import replay
from consumer.insight.return_curve import Estimate, ReturnCurve

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
    """What another threshold would do: messages a day, and the share of them that would not have been needed."""

    process: str
    after: Millis
    messages_a_day: float
    needless: Mapping[str, Estimate | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """Everything that was found. Curve rows are (seconds, share still away, lower, upper, people at risk)."""

    since: Millis
    until: Millis
    activities: int
    people: int
    cut_by_messages: float
    steps: Sequence[StepResult]
    thresholds: Sequence[Threshold]
    curves: Mapping[str, Sequence[tuple[float, float, float, float, int]]]


def backtest(
    history: pl.DataFrame, sends: pl.DataFrame, rules: LapseRules, caps: Mapping[Millis, int], until: Millis | None
) -> Backtest:
    """Replay a history that is not empty. `history` is as in `replay`, `sends` has the columns of `gaps.SENDS`.

    `caps` are the most messages to one user by span. The history ends at `until`, or with its last record.
    """
    known = history.filter(pl.col("process").is_in(list(rules.ladders)))
    end = int(history["written_at"].max()) if until is None else until  # type: ignore[arg-type]
    since = int(history["occurred_at"].min())  # type: ignore[arg-type]
    lapses, sent, held = _lapses(known, rules, caps, end)
    curves = {name: ReturnCurve(counts) for name, counts in count_gaps(known, sends, end).items()}
    days = max((end - since) / DAY, 1 / 24)
    return Backtest(
        since=since,
        until=end,
        activities=known.height,
        people=known["user_id"].n_unique(),
        cut_by_messages=share_cut_by_messages(known, sends),
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
        thresholds=[
            Threshold(name, after, curve.people_left(after) / days, _returns(curve, after))
            for name, curve in curves.items()
            for after in sorted({*_SPANS, *rules.ladders[name]})
            if curve.people_left(after)
        ],
        curves={name: curve.rows() for name, curve in curves.items()},
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
