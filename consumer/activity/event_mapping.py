"""Maps a platform's own events to activities: which processes an event is about, and how it ends them.

An event that concerns no process or no user is not an activity; it is counted and otherwise ignored.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl

from consumer.activity.avro.cursor import Flags, Longs
from consumer.activity.rows import SMALL_BATCH_ROWS, RowBatch, symbols_at
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.source import SourceSettings
from consumer.records import Ending


class EventMapping(Protocol):
    """Maps events to activities."""

    def wants(self, process: str | None, event: str | None) -> bool:
        """Return whether an event with this process and this name concerns any configured process."""

    def __call__(self, rows: RowBatch) -> RowBatch:
        """Return the activities: a row with user, process and `ending` for each process that an event is about."""


def build_event_mapping(source: SourceSettings, processes: Mapping[str, ProcessSettings]) -> EventMapping | None:
    """Return the configured mapping, or None if the events have our own schema."""
    if not source.paths:
        return None
    if source.kind:
        return KindsOfProcess()
    named = {name: EventNames(p.active_on, p.complete_on, p.cancel_on) for name, p in processes.items()}
    return EventsOfProcess(named) if source.process else EventsByName(named)


class EventNames(NamedTuple):
    """The names of events that one process is configured with."""

    active: Sequence[str] = ()
    completing: Sequence[str] = ()
    cancelling: Sequence[str] = ()

    def endings(self) -> dict[str, Ending]:
        """Return what each of these names means."""
        named = (self.active, Ending.NONE), (self.completing, Ending.COMPLETED), (self.cancelling, Ending.CANCELLED)
        return {event: ending for events, ending in named for event in events}


class KindsOfProcess:
    """An event names its process, and its kind as user_activity.avsc has it."""

    def wants(self, process: str | None, event: str | None) -> bool:
        return bool(process)

    def __call__(self, rows: RowBatch) -> RowBatch:
        frame = rows.frame
        kept = _not_null(frame["user_id"]) & _names_process(frame["process"])
        return _select_rows(rows, kept, np.flatnonzero(kept), {})


class EventsByName:
    """An event has a name, and may concern any number of processes."""

    def __init__(self, processes: Mapping[str, EventNames]) -> None:
        self._processes = list(processes)
        meant: dict[str, list[tuple[int, Ending]]] = {}
        for number, names in enumerate(processes.values()):
            for event, ending in names.endings().items():
                meant.setdefault(event, []).append((number, ending))
        self._events = {event: place for place, event in enumerate(meant)}
        flat = [meaning for mapping in meant.values() for meaning in mapping]
        self._count = np.array([*map(len, meant.values()), 0])  # none for unknown events
        self._first = np.cumsum(self._count) - self._count
        self._process = np.array([process for process, _ in flat], np.int64)
        self._ending = np.array([ending for _, ending in flat], np.uint8)

    def wants(self, process: str | None, event: str | None) -> bool:
        return event in self._events

    def __call__(self, rows: RowBatch) -> RowBatch:
        frame = rows.frame
        event = places(frame["event"], self._events)
        count = np.where(_not_null(frame["user_id"]), self._count[event], 0)
        kept = np.repeat(np.arange(frame.height), count)
        nth = np.arange(kept.size) - np.repeat(np.cumsum(count) - count, count)
        meaning = self._first[event[kept]] + nth
        process = symbols_at(self._process[meaning], self._processes)
        return _select_rows(rows, count, kept, {"process": process, "ending": pl.Series(self._ending[meaning])})


class EventsOfProcess:
    """An event names its process; the event's name tells whether it completes or cancels it.

    For a process without `active` names every event that does not end it counts as activity.
    """

    _UNWANTED = -1

    def __init__(self, processes: Mapping[str, EventNames]) -> None:
        self._processes = {name: place for place, name in enumerate(processes)}
        every = dict.fromkeys(event for names in processes.values() for event in names.endings())
        self._events = {event: place for place, event in enumerate(every)}
        # The last row and column are for unknown processes and events. Unknown processes are removed later.
        self._table = np.full((len(processes) + 1, len(every) + 1), Ending.NONE, np.int8)
        for place, names in enumerate(processes.values()):
            if names.active:
                self._table[place] = self._UNWANTED
            for event, ending in names.endings().items():
                self._table[place, self._events[event]] = ending

    def wants(self, process: str | None, event: str | None) -> bool:
        if not process:
            return False
        found = self._table[self._processes.get(process, -1), self._events.get(event or "", -1)]
        return bool(found != self._UNWANTED)

    def __call__(self, rows: RowBatch) -> RowBatch:
        frame = rows.frame
        found = self._table[places(frame["process"], self._processes), places(frame["event"], self._events)]
        kept = _not_null(frame["user_id"]) & _names_process(frame["process"]) & (found != self._UNWANTED)
        which = np.flatnonzero(kept)
        return _select_rows(rows, kept, which, {"ending": pl.Series(found[which].astype(np.uint8))})


def places(texts: pl.Series, known: Mapping[str, int]) -> Longs:
    """Return the number of each text; -1 for those that are not known. `known` is numbered in order."""
    if len(texts) <= SMALL_BATCH_ROWS:
        return np.array([known.get(text, -1) for text in texts.to_list()], np.int64)
    found = texts.cast(pl.Enum(list(known)), strict=False).to_physical()
    return found.cast(pl.Int64).fill_null(-1).to_numpy()


def _not_null(texts: pl.Series) -> Flags:
    return texts.is_not_null().to_numpy() if texts.null_count() else np.ones(len(texts), np.bool_)


def _names_process(names: pl.Series) -> Flags:
    """Return where there is a name: many platforms leave it empty in events that belong to nothing."""
    named = names != ""
    return (named.fill_null(False) if named.null_count() else named).to_numpy()


_ACTIVITY = ("index", "user_id", "process", "ending", "action", "occurred_at")


def _select_rows(rows: RowBatch, count: Longs | Flags, kept: Longs, made: Mapping[str, pl.Series]) -> RowBatch:
    """Return each row `count` times, at the indices `kept`, with the columns `made` in place of its own."""
    frame = rows.frame
    ignored = frame.height - int(np.count_nonzero(count))
    if ignored or kept.size > frame.height:
        frame = frame[kept]
    columns = {name: made[name] if name in made else frame[name] for name in _ACTIVITY}
    return RowBatch(pl.DataFrame(columns), rows.bad, rows.ignored + ignored, rows.blank)
