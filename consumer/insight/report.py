"""A report over a span of time, made of counts. Pure."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from consumer.clock import DAY, Millis
from consumer.deliver.lifecycle import Status
from consumer.insight.published_backtest import PublishedBacktest
from consumer.insight.uplift import Arm, Uplift, people_needed, uplift
from consumer.ledger.queries.episodes import ArmDay, EpisodeCount
from consumer.ledger.queries.reporting.people import UNDECIDED
from consumer.ledger.queries.reporting.report import FailureCount, FunnelCount
from consumer.ledger.schema.episode_tables import HOLDOUT, NOT_SENT, SENT

_ACCEPTED = {Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ, Status.FAILED}
_DELIVERED = {Status.DELIVERED, Status.READ}
_RATE_OVER: Millis = 7 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rung of one process on one medium: how many reminders reached each stage, now."""

    process: str
    step: int
    medium: str
    requested: int
    not_sent: int
    waiting: int
    sent: int
    """Accepted by the provider, or reported on."""
    unknown: int
    delivered: int
    read: int
    failed: int
    returned: int
    ended: int


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many episodes of a day were not written to, and why."""

    day: int
    process: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class MissingSample:
    """What is still missing for an answer: more people, and for how many days at the present rate.

    `days` is None while nobody new is decided about.
    """

    people: int
    days: int | None


@dataclass(frozen=True, slots=True)
class ProcessUplift:
    """The comparison with the holdout in one process, and what is missing to find the asked difference."""

    process: str
    uplift: Uplift
    missing: MissingSample | None


@dataclass(frozen=True, slots=True)
class Money:
    """What a process's delivered messages cost, in the currency of `prices`.

    `break_even` is how many more completions 1,000 messages must bring to pay for themselves; None without a value.
    """

    process: str
    delivered: int
    cost: float
    value: float | None
    break_even: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is told. Delays are milliseconds from lapse to first attempt; None where nothing was sent."""

    since: Millis
    until: Millis
    steps: Sequence[Step]
    reasons: Sequence[ReasonCount]
    failures: Sequence[FailureCount]
    delays: dict[str, Millis | None]
    uplifts: Sequence[ProcessUplift]
    currency: str | None = None
    money: Sequence[Money] = ()
    backtest: PublishedBacktest | None = None


def steps_of(counts: Sequence[FunnelCount]) -> list[Step]:
    """Return the funnel, a row for each process, step and medium."""
    keys = sorted({(each.process, each.step, each.medium) for each in counts})
    return [_step([c for c in counts if (c.process, c.step, c.medium) == key]) for key in keys]


def _step(counts: Sequence[FunnelCount]) -> Step:
    def total(*statuses: Status) -> int:
        return sum(each.count for each in counts if each.status in statuses)

    first = counts[0]
    return Step(
        process=first.process,
        step=first.step,
        medium=first.medium,
        requested=sum(each.count for each in counts),
        not_sent=total(Status.SUPPRESSED, Status.CANCELLED),
        waiting=total(Status.PLANNED, Status.DEFERRED, Status.SENDING, Status.REJECTED),
        sent=total(*_ACCEPTED),
        unknown=total(Status.UNKNOWN, Status.UNRESOLVED),
        delivered=total(*_DELIVERED),
        read=total(Status.READ),
        failed=total(Status.FAILED),
        returned=sum(each.returned for each in counts),
        ended=sum(each.ended for each in counts),
    )


def reasons_of(counts: Sequence[EpisodeCount]) -> list[ReasonCount]:
    """Return why episodes were not written to, by day."""
    found: Counter[tuple[int, str, str]] = Counter()
    for each in counts:
        if each.decision == HOLDOUT:
            found[each.day, each.process, HOLDOUT] += each.count
        elif each.decision == NOT_SENT:
            found[each.day, each.process, each.reason or UNDECIDED] += each.count
    return [ReasonCount(*key, count) for key, count in sorted(found.items())]


def quantiles(delays: Sequence[Millis]) -> dict[str, Millis | None]:
    """Return the median, the 95th and the 99th percentile and the maximum of sorted delays."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    last = len(delays) - 1
    return {name: delays[min(last, int(share * len(delays)))] if delays else None for name, share in shares.items()}


def money_of(
    countries: Sequence[tuple[str, str | None, int]],
    price: Callable[[str | None], float],
    values: Mapping[str, float | None],
) -> list[Money]:
    """Return the cost of each process. `countries` are (process, country, number of delivered messages)."""
    found = []
    for process in sorted({name for name, _, _ in countries}):
        mine = [(country, count) for name, country, count in countries if name == process]
        delivered, cost = sum(count for _, count in mine), sum(price(country) * count for country, count in mine)
        value = values.get(process)
        break_even = 1000 * cost / delivered / value if value else None
        found.append(Money(process, delivered, cost, value, break_even))
    return found


def uplifts_of(counts: Sequence[ArmDay], now: Millis, difference: float) -> list[ProcessUplift]:
    """Compare each process with its holdout.

    `counts` are of episodes whose horizon is over. `difference` is the smallest that is worth finding, as a share.
    """
    return [
        _process_uplift(name, [each for each in counts if each.process == name], now, difference)
        for name in sorted({each.process for each in counts})
    ]


def _process_uplift(name: str, counts: Sequence[ArmDay], now: Millis, difference: float) -> ProcessUplift:
    asked, holdout = _arm(counts, SENT), _arm(counts, HOLDOUT)
    found = uplift(asked, holdout, now - min(each.day for each in counts) * DAY)
    people = asked.episodes + holdout.episodes
    if not (asked.episodes and holdout.episodes):
        return ProcessUplift(name, found, None)
    baseline = (holdout.completed + 1) / (holdout.episodes + 2)
    try:
        needed = people_needed(min(baseline, 1 - 2 * difference), difference, holdout.episodes / people)
    except ValueError:
        return ProcessUplift(name, found, None)
    newest = max(each.day for each in counts)
    lately = sum(each.episodes for each in counts if each.day > newest - _RATE_OVER // DAY)
    missing = max(0, needed - people)
    days = -(-missing * (_RATE_OVER // DAY) // lately) if lately else None
    return ProcessUplift(name, found, MissingSample(missing, days))


def _arm(counts: Sequence[ArmDay], decision: str) -> Arm:
    mine = [each for each in counts if each.decision == decision]
    return Arm(sum(each.episodes for each in mine), sum(each.completed for each in mine))
