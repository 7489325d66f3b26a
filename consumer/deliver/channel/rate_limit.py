"""How fast requests may leave: one token bucket for each channel, kept in the ledger and shared by all replicas.

Tokens appear evenly, `rate` a second, and at most a quarter of a second's worth is kept. Their number follows from one
moment, `used_until_us`, up to which all tokens have been used. A claim spends one for each attempt that it journals, in
its own transaction and under a lock on that moment.

The replicas' wall clocks need not agree: the one that is ahead decides. (When one that is a second ahead of the others
starts, a second's worth of tokens can be spent twice, once.)
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from consumer.clock import MINUTE, SECOND, Millis
from consumer.ledger import queries
from consumer.ledger.queries.channels import RateLimitRow

_US_PER_MS = 1_000
"""Moments are microseconds here: at a thousand requests a second each request has a single millisecond."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `rate` requests a second over this medium's channel, all replicas together; None for no limit."""

    medium: str
    rate: float | None

    def peek(self, connection: Connection, now: Millis, limit: int) -> int:
        """Return how many requests, at most `limit`, might leave now. Locks nothing."""
        return available_tokens(queries.channels.rate_limit(connection, self.medium), self.rate, now, limit)

    def acquire(self, connection: Connection, now: Millis, limit: int) -> int:
        """Return how many requests, at most `limit`, may leave; nobody else spends any until the transaction ends."""
        rate_limit = queries.channels.rate_limit(connection, self.medium, lock=self.rate is not None)
        return available_tokens(rate_limit, self.rate, now, limit)

    def spend(self, connection: Connection, now: Millis, count: int) -> None:
        """Use `count` of the tokens that were acquired in this transaction."""
        if self.rate is not None and count:
            rate_limit = queries.channels.rate_limit(connection, self.medium)
            queries.channels.set_rate_used_until(
                connection, self.medium, used_until_us(rate_limit, self.rate, now, count)
            )


def available_tokens(rate_limit: RateLimitRow, rate: float | None, now: Millis, limit: int) -> int:
    """Return how many requests, at most `limit`, may leave at this moment."""
    if now < rate_limit.held_until:
        return 0
    if rate is None:
        return limit
    return max(0, min(limit, (now * _US_PER_MS - _first_token_us(rate_limit, rate, now)) // _interval_us(rate)))


def used_until_us(rate_limit: RateLimitRow, rate: float, now: Millis, used: int) -> int:
    """Return the moment, in microseconds, up to which tokens are used once `used` more are."""
    return _first_token_us(rate_limit, rate, now) + used * _interval_us(rate)


def _first_token_us(rate_limit: RateLimitRow, rate: float, now: Millis) -> int:
    """Return the moment from which tokens count: earlier ones are used or too old to be kept."""
    oldest = now * _US_PER_MS - max(1, int(rate / 4)) * _interval_us(rate)
    if rate_limit.used_until_us > (now + MINUTE) * _US_PER_MS:
        return oldest  # a clock was far ahead once: that must not stop the channel until then
    return max(rate_limit.used_until_us, oldest)


def _interval_us(rate: float) -> int:
    return round(SECOND * _US_PER_MS / rate)
