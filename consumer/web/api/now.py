"""`GET /api/now`: is all well, and if not, what is wrong and where to look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from consumer.clock import DAY, Clock, Millis
from consumer.deliver.recipients.opt_outs import LIKELY_OPT_OUT
from consumer.insight.report import Step, steps_of
from consumer.kafka.detect_loop.brake_control import BrakeControl, BrakeStatus
from consumer.ledger import queries
from consumer.ledger.queries.outbox import Transition
from consumer.ledger.queries.pauses import EVERYTHING
from consumer.ledger.queries.replicas import DetectStanding
from consumer.ledger.schema.rows import ChannelRow
from consumer.ledger.store import Ledger
from consumer.reasons.catalogue import explain
from consumer.web.api.counters import Counters
from consumer.web.api.problems import Problem, problems_of
from consumer.web.health import Health

_EVENTS = 15
_SPAN: Millis = DAY


@dataclass(frozen=True, slots=True)
class Part:
    """One part of this process, by its last report."""

    name: str
    ok: bool
    detail: str | None


@dataclass(frozen=True, slots=True)
class Stopped:
    """A channel, or a template on it, that is not used at present: why, since when, and when it is tried again."""

    name: str
    why: str
    since: Millis | None
    probe_at: Millis | None


@dataclass(frozen=True, slots=True)
class Paused:
    """What an operator has paused; no process means everything."""

    process: str | None
    since: Millis


@dataclass(frozen=True, slots=True)
class BrakeSummary:
    """What detect's brakes hold back; `words` are sentences, none while nothing is held back.

    `can_release`: they are this process's own, and may be released here.
    """

    held: int
    words: Sequence[str]
    can_release: bool


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """What became, on all media, of the reminders of a process that were requested in the last 24 hours."""

    process: str
    paused: bool
    requested: int
    waiting: int
    not_sent: int
    sent: int
    delivered: int
    read: int
    failed: int
    unknown: int
    returned: int
    ended: int


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """A change of a reminder, in words."""

    at: Millis
    user_id: str
    process: str
    step: int
    medium: str
    status: str
    reason: str | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """Everything on the first page. What only the ledger knows is empty where only detect runs.

    `watched` are the pairs of user and process that detect watches, as its records say, or, where only detect runs,
    those of this process. It and `brake` are None until detect has told them.
    """

    at: Millis
    problems: Sequence[Problem] = ()
    """What is wrong, the worst first; none if all is well."""
    parts: Sequence[Part]
    has_ledger: bool
    watched: int | None
    watermark: Millis | None = None
    """The earliest of all partitions': up to then detect has read everything."""
    watermark_partition: int | None = None
    oldest_due: Millis | None = None
    unresolved: int = 0
    unknown: int = 0
    likely_opt_outs: int = 0
    dead_letters: int = 0
    """Records that this process set aside since it started, at `dead_letters_since`."""
    dead_letters_since: Millis
    brake: BrakeSummary | None = None
    stopped: Sequence[Stopped] = ()
    paused: Sequence[Paused] = ()
    processes: Sequence[ProcessRow] = ()
    events: Sequence[LedgerEvent] = ()


class NowView:
    """Reads it. `ledger` is None where only detect runs, `brake` where only deliver does. Blocks its thread."""

    def __init__(
        self,
        clock: Clock,
        health: Health,
        ledger: Ledger | None,
        counters: Counters,
        *,
        processes: Sequence[str],
        max_staleness: Millis,
        brake: BrakeControl | None = None,
    ) -> None:
        self._clock = clock
        self._health = health
        self._ledger = ledger
        self._counters = counters
        self._started_at = clock.now()
        self._processes = processes
        self._max_staleness = max_staleness
        self._brake = brake

    def read(self) -> Now:
        now = self._clock.now()
        parts = [Part(name, state.ok, state.detail) for name, state in self._health.states().items()]
        values: dict[str, Any] = {
            "at": now,
            "parts": parts,
            "dead_letters": self._counters.dead_letters(),
            "dead_letters_since": self._started_at,
            "has_ledger": self._ledger is not None,
        }
        if self._ledger is not None:
            with self._ledger.reading() as connection:
                values |= self._read_ledger(connection, now)
        elif self._brake is not None:
            brake = BrakeSummary(self._brake.status.held, self._brake.status.words, can_release=True)
            values |= {"watched": self._counters.watched(), "brake": brake}
        found = Now(**values)
        return replace(found, problems=problems_of(found, self._max_staleness))

    def _read_ledger(self, connection: Connection, now: Millis) -> dict[str, Any]:
        console, standings = queries.reporting.console, queries.replicas.detect_standings(connection)
        worst = min(standings, key=lambda n: standings[n].watermark, default=None)
        watched = [each.watched for each in standings.values() if each.watched is not None]
        in_doubt = queries.reminders.count_in_doubt(connection)
        paused = queries.pauses.paused_since(connection)
        counts = queries.reporting.report.funnel(connection, now - _SPAN, now + 1, None)
        return {
            "watched": sum(watched) if watched else None,
            "brake": brake_of(standings, can_release=self._brake is not None) if watched else None,
            "watermark": None if worst is None else standings[worst].watermark,
            "watermark_partition": worst,
            "oldest_due": queries.reminders.oldest_due(connection, None, now),
            "unresolved": in_doubt["unresolved"],
            "unknown": in_doubt["unknown"],
            "likely_opt_outs": console.count_held(connection, LIKELY_OPT_OUT, now),
            "stopped": [stopped_of(row) for row in console.stopped_channels(connection)],
            "paused": [Paused(name or None, since) for name, since in sorted(paused.items())],
            "processes": _rows(self._processes, steps_of(counts), set(paused)),
            "events": [_event(each) for each in console.latest_transitions(connection, _EVENTS)],
        }


def brake_of(standings: Mapping[int, DetectStanding], *, can_release: bool) -> BrakeSummary:
    """Return what the brakes of all detect processes hold back, from what was told of each partition."""
    told = standings.values()
    statuses = [
        BrakeStatus(engaged=reason, held=sum(each.held or 0 for each in told if each.brake == reason))
        for reason in sorted({each.brake for each in told if each.brake})
    ]
    statuses.append(BrakeStatus(distrusted=tuple(n for n, each in sorted(standings.items()) if each.distrusted)))
    words = [line for status in statuses for line in status.words]
    return BrakeSummary(sum(status.held for status in statuses), words, can_release)


def stopped_of(row: ChannelRow) -> Stopped:
    """Return what is told of a channel or template whose circuit breaker is open."""
    return Stopped(row.name, row.why or "", row.stopped_at, row.probe_at)


def _rows(processes: Sequence[str], steps: Sequence[Step], paused: set[str]) -> list[ProcessRow]:
    """Return a row for each process, in the order of the configuration, then those that are no longer in it."""
    others = sorted({each.process for each in steps}.difference(processes))
    return [
        _row(name, [each for each in steps if each.process == name], bool(paused & {name, EVERYTHING}))
        for name in [*processes, *others]
    ]


def _row(process: str, steps: Sequence[Step], paused: bool) -> ProcessRow:
    names = ("requested", "waiting", "not_sent", "sent", "delivered", "read", "failed", "unknown", "returned", "ended")
    return ProcessRow(process, paused, *(sum(getattr(each, name) for each in steps) for name in names))


def _event(change: Transition) -> LedgerEvent:
    meaning, _ = explain(change.status, change.reason)
    return LedgerEvent(
        change.occurred_at,
        change.user_id,
        change.process,
        change.step,
        change.medium,
        change.status,
        change.reason,
        meaning,
    )
