"""Episodes: begun with the first request, decided by the checks, ended by the person, and counted by day when old."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    Connection,
    Insert,
    Update,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from consumer.clock import DAY, YEAR_10000, Millis
from consumer.ledger.queries.statements import upsert, upsert_of
from consumer.ledger.schema.episode_tables import HORIZON, NOT_SENT, episode_days, episodes


@dataclass(frozen=True, slots=True)
class EpisodeCount:
    """How many episodes of a day (days since 1970, UTC) have the same decision and outcome."""

    day: int
    process: str
    step: int
    decision: str
    reason: str
    outcome: str
    first: bool
    count: int


@dataclass(frozen=True, slots=True)
class ArmDay:
    """How many people of a day (days since 1970, UTC) were decided about for the first time in a process, as sent or
    held out, and how many of them completed it within the horizon."""

    day: int
    process: str
    decision: str
    episodes: int
    completed: int


_e, _d = episodes.c, episode_days.c
_KEY = and_(
    _e.user_id == bindparam("key_user"), _e.process == bindparam("key_process"), _e.began_at == bindparam("key_began")
)
# (In PostgreSQL a sum that overflows would end the query for everybody.)
_usable = ((moment.between(0, YEAR_10000), moment) for moment in (_e.decided_at, _e.noticed_at))
_since_decision = case(*_usable, else_=0) + HORIZON
_OUTCOME = case(
    (_e.completed_at <= _since_decision, "completed"),
    (_e.cancelled_at <= _since_decision, "cancelled"),
    (_e.returned_at <= _since_decision, "returned"),
    else_="none",
)
_GROUP = (
    (_e.noticed_at // DAY).label("day"),
    _e.process,
    _e.step,
    func.coalesce(_e.decision, NOT_SENT).label("decision"),
    func.coalesce(_e.reason, "").label("reason"),
    _OUTCOME.label("outcome"),
    _e.first,
)


def begin(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Note these silences: user_id, process, began_at, noticed_at, step. One that is known only gets the later step."""
    if not rows:
        return
    connection.execute(_begin(connection.dialect.name), [{**row, "first": False} for row in rows])


@cache
def _begin(dialect: str) -> Insert:
    statement = upsert_of(dialect, episodes)
    later = statement.excluded.step > _e.step
    return statement.on_conflict_do_update(
        index_elements=["user_id", "process", "began_at"],
        set_={"step": statement.excluded.step},
        where=later & (_e.decision.is_(None) | (_e.decision == NOT_SENT)),
    )


def decide(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Note the decision of the last checks: key_user, key_process, key_began, decision, reason, decided_at, step,
    first_sent_at. What was decided as sent or holdout stays so."""
    if not rows:
        return
    connection.execute(_DECIDE, [_named(row, _DECIDED) for row in rows])


_DECIDED = ("decision", "reason", "decided_at", "step", "first_sent_at")


def _decide() -> Update:
    earlier = episodes.alias("earlier")
    none_before = ~exists().where(
        earlier.c.user_id == _e.user_id,
        earlier.c.process == _e.process,
        earlier.c.began_at < _e.began_at,
        earlier.c.decision != NOT_SENT,
    )
    values: dict[str, object] = {name: bindparam(f"new_{name}") for name in _DECIDED}
    counts = bindparam("new_decision") != NOT_SENT
    statement = update(episodes).where(_KEY, or_(_e.decision.is_(None), _e.decision == NOT_SENT))
    return statement.values(**values, first=and_(counts, none_before))


_DECIDE = _decide()


def end(connection: Connection, column: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Note the first return, completion or cancellation (`column`): key_user, key_process, key_began, at."""
    if not rows:
        return
    end_column = episodes.c[column]
    statement = update(episodes).where(_KEY, end_column.is_(None)).values({column: bindparam("at")})
    connection.execute(statement, list(rows))


def counts(connection: Connection, since: Millis, until: Millis, process: str | None) -> list[EpisodeCount]:
    """Count the episodes noticed from `since` until before `until`, with those that were deleted, by day."""
    live = select(*_GROUP, func.count()).where(_e.noticed_at >= since, _e.noticed_at < until)
    old = select(*episode_days.c).where(_d.day >= since // DAY, _d.day < -(-until // DAY))
    if process is not None:
        live, old = live.where(_e.process == process), old.where(_d.process == process)
    found: Counter[tuple[Any, ...]] = Counter()
    for row in [*connection.execute(live.group_by(*_GROUP)), *connection.execute(old)]:
        found[tuple(row)[:-1]] += row[-1]
    return [EpisodeCount(*(*key, count)) for key, count in sorted(found.items())]


def arms(
    connection: Connection, since: Millis, until: Millis, process: str | None, over_before: Millis
) -> list[ArmDay]:
    """Count the first episode of each user and process that was decided as sent or holdout, by the day it was noticed.

    Of those noticed from `since` until before `until` whose horizon was over at `over_before`, and the deleted ones.
    """
    completed = func.sum(case((_e.completed_at <= _since_decision, 1), else_=0))
    old_completed = func.sum(case((_d.outcome == "completed", _d.count), else_=0))
    key, old_key = (_GROUP[0], _e.process, _e.decision), (_d.day, _d.process, _d.decision)
    live = select(*key, func.count(), completed).where(_e.noticed_at >= since, _e.noticed_at < until)
    live = live.where(_e.first, _since_decision <= over_before).group_by(*key)
    old = select(*old_key, func.sum(_d.count), old_completed).where(_d.day >= since // DAY, _d.day < -(-until // DAY))
    old = old.where(_d.first).group_by(*old_key)
    if process is not None:
        live, old = live.where(_e.process == process), old.where(_d.process == process)
    rows = [*connection.execute(live), *connection.execute(old)]
    return [ArmDay(day, name, decision, int(n), int(done)) for day, name, decision, n, done in rows]


def fold(connection: Connection, before: Millis, limit: int) -> int:
    """Replace the oldest episodes, noticed before that moment, by their counts by day; return how many."""
    oldest = select(_e.user_id, _e.process, _e.began_at, *_GROUP).where(_e.noticed_at >= 0, _e.noticed_at < before)
    rows = connection.execute(oldest.order_by(_e.noticed_at).limit(limit)).all()
    if not rows:
        return 0
    added = Counter(tuple(row[3:]) for row in rows)
    names = [column.name for column in episode_days.columns if column.primary_key]
    statement = upsert(connection, episode_days)
    statement = statement.on_conflict_do_update(
        index_elements=names, set_={"count": _d.count + statement.excluded.count}
    )
    connection.execute(statement, [{**dict(zip(names, key, strict=True)), "count": n} for key, n in added.items()])
    keys = [{"key_user": row[0], "key_process": row[1], "key_began": row[2]} for row in rows]
    connection.execute(delete(episodes).where(_KEY), keys)
    return len(rows)


def _named(row: Mapping[str, object], names: Sequence[str]) -> dict[str, object]:
    return {f"new_{name}" if name in names else name: value for name, value in row.items()}
