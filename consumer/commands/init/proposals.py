"""Guesses where the events of a topic hold the user's id, their time and their name. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from consumer.activity.times.timestamps import TimeForm, from_one
from consumer.activity.whole_events import Event, leaves
from consumer.clock import DAY, HOUR, YEAR_2000, Millis
from consumer.commands.terminal.output import printable
from consumer.config.sections.event_paths import steps_in, written

_KEPT_VALUES = 1_000
_MIN_SHARE = 0.5
_MAX_EXAMPLE_CHARS = 40
_MAX_NAMES = 200
"""More distinct texts than this are no names of events."""

_USER = re.compile(r"(user|customer|client|member|account|person|contact|visitor|subscriber|profile|buyer)")
_NO_USER = re.compile(
    r"(event|message|session|order|cart|device|trace|request|anonymous|correlation|product|type|name|mail|phone)"
)
_TIME = re.compile(r"(^|[._])(ts|time|timestamp|at|date|datetime|when)$|time|stamp|occurred|_at$|At$", re.IGNORECASE)
_OTHER_TIME = re.compile(r"(sent|received|ingest|updated|expire|birth|created.*user|signup)", re.IGNORECASE)
_EVENT = {"event": 3, "eventname": 3, "eventtype": 3, "type": 2, "name": 1, "action": 1, "kind": 1, "verb": 1}


@dataclass(frozen=True, slots=True)
class Record:
    """An event with the text of its record's key, and when the record was written."""

    event: Event
    key: str | None
    written_at: Millis


@dataclass(frozen=True, slots=True)
class Candidate:
    """A path that may be meant: the share of events that have it, and a value of it as an example."""

    path: str
    share: float
    example: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """The likeliest paths first. `native`: the events have Lapse's own fields, so that no path is needed."""

    native: bool
    user: Sequence[Candidate]
    time: Sequence[Candidate]
    event: Sequence[Candidate]


@dataclass(slots=True)
class _Leaf:
    path: str
    count: int = 0
    as_key: int = 0
    """Events whose record has this value as its key."""
    as_time: int = 0
    near: int = 0
    """Events whose record was written within an hour of this time."""
    values: Counter[str] = field(default_factory=Counter)
    kinds: set[type] = field(default_factory=set)

    def add(self, value: object, record: Record) -> None:
        self.count += 1
        self.kinds.add(type(value))
        text = str(value)
        self.as_key += text == record.key
        moment = _moment(value, record.written_at)
        self.as_time += moment is not None
        self.near += moment is not None and abs(record.written_at - moment) <= HOUR
        if text in self.values or len(self.values) < _KEPT_VALUES:
            self.values[text] += 1


def propose(records: Sequence[Record]) -> Proposal:
    """Return the paths that are likeliest, the best first, at most three of each."""
    found: dict[str, _Leaf] = {}
    for record in records:
        for path, value in leaves(record.event):
            if value is not None:
                name = written(path)
                found.setdefault(name, _Leaf(name)).add(value, record)
    total = len(records)
    native = all(name in found for name in ("user_id", "process", "kind", "occurred_at"))
    usual = [leaf for leaf in found.values() if leaf.count >= _MIN_SHARE * total]
    return Proposal(
        native,
        user=_best({leaf.path: _user_score(leaf) for leaf in usual}, found, total),
        time=_best({leaf.path: _time_score(leaf) for leaf in usual}, found, total),
        event=_best({leaf.path: _event_score(leaf) for leaf in usual}, found, total),
    )


def _user_score(leaf: _Leaf) -> float:
    if not leaf.kinds <= {int, str} or leaf.as_time > leaf.count / 2:
        return 0
    path = leaf.path.lower()
    score = 4 * leaf.as_key / leaf.count + (2 if _USER.search(path) else 0)
    score += 1 if re.search(r"(^|[._a-z])u?id$", path) else 0
    score -= 2 if _NO_USER.search(path) else 0
    return score - (1 if len(leaf.values) == 1 < leaf.count else 0)


def _time_score(leaf: _Leaf) -> float:
    if leaf.as_time < 0.9 * leaf.count:
        return 0
    score = 1 + 2 * leaf.near / leaf.count + (1 if _TIME.search(leaf.path) else 0)
    return score - (1.5 if _OTHER_TIME.search(leaf.path) else 0)


def _event_score(leaf: _Leaf) -> float:
    if leaf.kinds != {str} or leaf.as_time > leaf.count / 2 or len(leaf.values) > _MAX_NAMES:
        return 0
    *outer, last = steps_in(leaf.path)
    score = _EVENT.get(re.sub(r"[^a-z]", "", str(last).lower()), 0.0)
    if not score or max(map(len, leaf.values)) > 100:
        return 0
    return score - 0.5 * len(outer) - (1.5 if len(leaf.values) == 1 < leaf.count else 0)


def _best(scores: Mapping[str, float], found: Mapping[str, _Leaf], total: int) -> list[Candidate]:
    best = sorted((-score, len(path), path) for path, score in scores.items() if score > 0)
    return [Candidate(path, found[path].count / total, _example(found[path])) for _, _, path in best[:3]]


def _example(leaf: _Leaf) -> str:
    """Return a value as text that is safe to show on a terminal."""
    text = printable(next(iter(leaf.values)))
    return text if len(text) <= _MAX_EXAMPLE_CHARS else text[: _MAX_EXAMPLE_CHARS - 1] + "…"


def _moment(value: Any, written_at: Millis) -> Millis | None:
    """Return the time that a value may be: after 2000, and not long after its record was written."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not value[:4].isdigit():
        return None
    moment = from_one(value, TimeForm())
    return moment if moment is not None and YEAR_2000 <= moment <= written_at + DAY else None
