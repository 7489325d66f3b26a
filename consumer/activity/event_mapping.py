"""Events of a platform's own to activities: which processes an event is about, and whether it closes them.

An event that concerns no process, or nobody, is no activity; it is counted and otherwise left alone.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from consumer.activity.avro.cursor import Flags, Longs
from consumer.activity.rows import SMALL, Rows, spelled
from consumer.config.processes import ProcessSettings
from consumer.config.source import SourceSettings


class EventMapping(Protocol):
    """What events mean."""

    def wants(self, process: str | None, event: str | None) -> bool:
        """Whether an event that names this process, and is of this name, concerns any process."""

    def __call__(self, rows: Rows) -> Rows:
        """As activities: rows with a user, a process and `closes`, for each process that an event is about."""


def event_mapping_of(source: SourceSettings, processes: Mapping[str, ProcessSettings]) -> EventMapping | None:
    """As the configuration has them; None where events say all of it themselves, in our words."""
    if not source.paths:
        return None
    if source.kind:
        return KindsInProcess()
    named = {name: Names(p.active_on, (*p.complete_on, *p.cancel_on)) for name, p in processes.items()}
    return EventsInProcess(named) if source.process else Events(named)


class Names(NamedTuple):
    """Names of events, for one process."""

    active: Sequence[str]
    closing: Sequence[str]


class KindsInProcess:
    """An event names its process, and its kind in our words."""

    def wants(self, process: str | None, event: str | None) -> bool:
        return process is not None

    def __call__(self, rows: Rows) -> Rows:
        frame = rows.frame
        kept = _there(frame["user_id"]) & _there(frame["process"])
        return _picked(rows, kept, np.flatnonzero(kept), {})


class Events:
    """An event has a name, and may be about any number of processes."""

    def __init__(self, processes: Mapping[str, Names]) -> None:
        self._processes = list(processes)
        meant: dict[str, list[tuple[int, bool]]] = {}
        for number, names in enumerate(processes.values()):
            for event in dict.fromkeys(names.active):
                meant.setdefault(event, []).append((number, False))
            for event in dict.fromkeys(names.closing):
                meant.setdefault(event, []).append((number, True))
        self._events = {event: place for place, event in enumerate(meant)}
        flat = [meaning for meanings in meant.values() for meaning in meanings]
        self._count = np.array([*map(len, meant.values()), 0])  # none for events that nobody named
        self._first = np.cumsum(self._count) - self._count
        self._process = np.array([process for process, _ in flat], np.int64)
        self._closes = np.array([closes for _, closes in flat], np.bool_)

    def wants(self, process: str | None, event: str | None) -> bool:
        return event in self._events

    def __call__(self, rows: Rows) -> Rows:
        frame = rows.frame
        event = places(frame["event"], self._events)
        count = np.where(_there(frame["user_id"]), self._count[event], 0)
        kept = np.repeat(np.arange(frame.height), count)
        nth = np.arange(kept.size) - np.repeat(np.cumsum(count) - count, count)
        meaning = self._first[event[kept]] + nth
        process = spelled(self._process[meaning], self._processes)
        return _picked(rows, count, kept, {"process": process, "closes": pl.Series(self._closes[meaning])})


class EventsInProcess:
    """An event names its process; its own name tells whether it closes it.

    A process whose `active` names nothing is kept alive by every event that does not close it.
    """

    _UNWANTED, _ACTIVE, _CLOSES = -1, 0, 1

    def __init__(self, processes: Mapping[str, Names]) -> None:
        self._processes = {name: place for place, name in enumerate(processes)}
        every = dict.fromkeys(event for names in processes.values() for event in (*names.active, *names.closing))
        self._events = {event: place for place, event in enumerate(every)}
        # The last row and column are for processes and events that nobody named. The process is told apart later.
        self._table = np.full((len(processes) + 1, len(every) + 1), self._ACTIVE, np.int8)
        for place, names in enumerate(processes.values()):
            if names.active:
                self._table[place] = self._UNWANTED
            for event in names.active:
                self._table[place, self._events[event]] = self._ACTIVE
            for event in names.closing:
                self._table[place, self._events[event]] = self._CLOSES

    def wants(self, process: str | None, event: str | None) -> bool:
        if process is None:
            return False
        found = self._table[self._processes.get(process, -1), self._events.get(event or "", -1)]
        return bool(found != self._UNWANTED)

    def __call__(self, rows: Rows) -> Rows:
        frame = rows.frame
        found = self._table[places(frame["process"], self._processes), places(frame["event"], self._events)]
        kept = _there(frame["user_id"]) & _there(frame["process"]) & (found != self._UNWANTED)
        which = np.flatnonzero(kept)
        return _picked(rows, kept, which, {"closes": pl.Series(found[which] == self._CLOSES)})


def places(texts: pl.Series, known: Mapping[str, int]) -> Longs:
    """Where each text is among the known ones, which are in order; -1 for the others."""
    if len(texts) <= SMALL:
        return np.array([known.get(text, -1) for text in texts.to_list()], np.int64)
    found = texts.cast(pl.Enum(list(known)), strict=False).to_physical()
    return found.cast(pl.Int64).fill_null(-1).to_numpy()


def _there(texts: pl.Series) -> Flags:
    return texts.is_not_null().to_numpy() if texts.null_count() else np.ones(len(texts), np.bool_)


_ACTIVITY = ("index", "user_id", "process", "closes", "action", "occurred_at")


def _picked(rows: Rows, count: Longs | Flags, kept: Longs, made: Mapping[str, pl.Series]) -> Rows:
    """Each row so many times, at the places `kept`, with the columns that were made for them."""
    frame = rows.frame
    ignored = frame.height - int(np.count_nonzero(count))
    if ignored or kept.size > frame.height:
        frame = frame[kept]
    columns = {name: made[name] if name in made else frame[name] for name in _ACTIVITY}
    return Rows(pl.DataFrame(columns), rows.bad, rows.ignored + ignored)
