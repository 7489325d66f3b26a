"""Channels: what the circuit breaker knows of each, and how fast each is used by all replicas together."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, bindparam, delete, select

from consumer.clock import Millis
from consumer.ledger.queries.statements import upsert
from consumer.ledger.schema.channel_tables import channels, failure_streaks, rate_limits
from consumer.ledger.schema.rows import CHANNEL, ChannelRow


@dataclass(frozen=True, slots=True)
class FailureStreak:
    """See `channel_tables.failure_streaks`; `people` and `errors` are JSON arrays."""

    breaker: str
    told_by: str
    people: str
    errors: str
    since: Millis


@dataclass(frozen=True, slots=True)
class RateLimitRow:
    """See `channel_tables.rate_limits`; `used_until_us` is in microseconds."""

    medium: str
    used_until_us: int = 0
    held_until: Millis = 0


_STATES = select(*CHANNEL).where(
    (channels.c.name == bindparam("medium")) | channels.c.name.startswith(bindparam("prefix"))
)
_LOCK_STATES = _STATES.with_for_update()
_l = rate_limits.c
_RATE_LIMIT = select(_l.medium, _l.used_until_us, _l.held_until).where(_l.medium == bindparam("medium"))
_LOCK_RATE_LIMIT = _RATE_LIMIT.with_for_update()


def states(connection: Connection, medium: str, *, lock: bool = False) -> dict[str, ChannelRow]:
    """Return by name what is known of a medium's channel (always there) and of the templates on it."""
    rows = connection.execute(_LOCK_STATES if lock else _STATES, {"medium": medium, "prefix": f"{medium}/"})
    return {medium: ChannelRow(medium), **{row[0]: ChannelRow(*row) for row in rows}}


def all_states(connection: Connection) -> list[ChannelRow]:
    """Return what is known of every channel and template of which anything was known."""
    return [ChannelRow(*row) for row in connection.execute(select(*CHANNEL).order_by(channels.c.name))]


def put_state(connection: Connection, row: ChannelRow) -> None:
    """Write what is known of a channel or a template."""
    values = asdict(row)
    statement = upsert(connection, channels).values(**values)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def rate_limit(connection: Connection, medium: str, *, lock: bool = False) -> RateLimitRow:
    """Return how fast a channel has been used.

    With `lock` nobody else decides how many requests leave until the transaction ends.
    """
    found = connection.execute(_LOCK_RATE_LIMIT if lock else _RATE_LIMIT, {"medium": medium}).first()
    if found is None and lock:
        # There must be a row to lock: two replicas would otherwise both believe to be the first.
        new = upsert(connection, rate_limits).values(medium=medium, used_until_us=0, held_until=0)
        connection.execute(new.on_conflict_do_nothing())
        found = connection.execute(_LOCK_RATE_LIMIT, {"medium": medium}).one()
    return RateLimitRow(medium) if found is None else RateLimitRow(*found)


def set_rate_used_until(connection: Connection, medium: str, used_until_us: int) -> None:
    """Note up to which moment (microseconds) all rights to send have been used."""
    connection.execute(rate_limits.update().where(rate_limits.c.medium == medium).values(used_until_us=used_until_us))


def hold_rate_until(connection: Connection, medium: str, until: Millis) -> None:
    """Let nothing leave before that; a hold that is there already and lasts longer stays."""
    statement = upsert(connection, rate_limits).values(medium=medium, used_until_us=0, held_until=until)
    new = statement.excluded.held_until
    later = new > rate_limits.c.held_until
    connection.execute(
        statement.on_conflict_do_update(index_elements=["medium"], set_={"held_until": new}, where=later)
    )


def lock_failure_streaks(connection: Connection, medium: str, told_by: str) -> list[FailureStreak]:
    """Return the failures of people in a row on this medium's channel and templates, and lock them."""
    f = failure_streaks.c
    of_medium = (f.breaker == medium) | f.breaker.startswith(f"{medium}/"), f.told_by == told_by
    query = select(*(f[name] for name in FailureStreak.__dataclass_fields__)).where(*of_medium).order_by(f.breaker)
    return [FailureStreak(*row) for row in connection.execute(query.with_for_update())]


def put_failure_streak(connection: Connection, streak: FailureStreak) -> None:
    """Write a streak of failures."""
    statement = upsert(connection, failure_streaks).values(**asdict(streak))
    keys = ["breaker", "told_by"]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=asdict(streak)))


def delete_failure_streak(connection: Connection, breaker: str, told_by: str) -> None:
    """Forget a streak: something went through."""
    f = failure_streaks
    connection.execute(delete(f).where(f.c.breaker == breaker, f.c.told_by == told_by))
