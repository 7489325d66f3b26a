"""How fast requests may leave: one measure for a channel, kept in the ledger and shared by all replicas.

Rights to send come into being evenly, so many a second, and at most a quarter of a second's worth is kept for later.
How many there are follows from one moment, `counted_from`, up to which all of them have been used. A claim takes them
in its own transaction, under a lock on that moment, and gives back nothing: it takes as many as it journalled attempts.

The replicas' wall clocks need not agree: the one that is ahead sets the measure. (One that runs a second ahead of the
others lets a second's worth leave once more, when it begins.)
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from consumer.clock import MINUTE, SECOND, Millis
from consumer.ledger import queries
from consumer.ledger.queries.channels import RateLimitRow

_MICRO = 1_000
"""Microseconds in a millisecond: at a thousand requests a second each has but one of those."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`rate` requests a second over this medium's channel, all replicas together; None for no limit of ours."""

    medium: str
    rate: float | None

    def peek(self, connection: Connection, now: Millis, most: int) -> int:
        """How many requests, at most `most`, might leave now. Takes nothing, and waits for nobody."""
        return available_tokens(queries.channels.rate_limit(connection, self.medium), self.rate, now, most)

    def acquire(self, connection: Connection, now: Millis, most: int) -> int:
        """How many may leave; nobody else takes any until the transaction ends."""
        rate_limit = queries.channels.rate_limit(connection, self.medium, lock=self.rate is not None)
        return available_tokens(rate_limit, self.rate, now, most)

    def spend(self, connection: Connection, now: Millis, count: int) -> None:
        """So many of those that were taken in this transaction leave."""
        if self.rate is not None and count:
            rate_limit = queries.channels.rate_limit(connection, self.medium)
            queries.channels.set_rate_counted_from(
                connection, self.medium, counted_from(rate_limit, self.rate, now, count)
            )


def available_tokens(rate_limit: RateLimitRow, rate: float | None, now: Millis, most: int) -> int:
    """How many requests, at most `most`, may leave at this moment."""
    if now < rate_limit.held_until:
        return 0
    if rate is None:
        return most
    return max(0, min(most, (now * _MICRO - _begin(rate_limit, rate, now)) // _each(rate)))


def counted_from(rate_limit: RateLimitRow, rate: float, now: Millis, used: int) -> int:
    """The moment after so many requests, in microseconds."""
    return _begin(rate_limit, rate, now) + used * _each(rate)


def _begin(rate_limit: RateLimitRow, rate: float, now: Millis) -> int:
    """From where rights count now: what came into being before has been used, or is too old to be kept."""
    oldest = now * _MICRO - max(1, int(rate / 4)) * _each(rate)
    if rate_limit.counted_from > (now + MINUTE) * _MICRO:
        return oldest  # some clock was an hour ahead: that must not silence the channel for as long
    return max(rate_limit.counted_from, oldest)


def _each(rate: float) -> int:
    return round(SECOND * _MICRO / rate)
