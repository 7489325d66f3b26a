"""Room for recipients: how many different people a business may write to within a day (contract §11)."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import Connection

from consumer.clock import MINUTE, Millis
from consumer.ledger import queries
from consumer.onemsg.limits import UNIQUE_SPAN

LOOK_AGAIN = 5 * MINUTE
"""The least that somebody waits for room, so that a queue of thousands is not looked through for every place."""


class Quota(Protocol):
    """Of one batch, which is decided about in order."""

    def free_at(self, phone: str) -> Millis:
        """From when on there is room for this phone (digits); 0 if there is."""
        ...

    def take(self, phone: str) -> None:
        """Something is on its way to it."""
        ...


class Unlimited:
    """No limit is configured."""

    def free_at(self, phone: str) -> Millis:
        return 0

    def take(self, phone: str) -> None:
        return


@dataclass(slots=True)
class DailyQuota:
    """`limit` different phones in any UNIQUE_SPAN. Whoever was written to within it takes no other place. Pure.

    `latest`: when those phones were last written to that have to leave it before there is room, and some more.
    """

    limit: int
    now: Millis
    written: int
    phones: set[str]
    latest: list[Millis] = field(default_factory=list)
    _waiting: int = 0

    def free_at(self, phone: str) -> Millis:
        if phone in self.phones or self.written < self.limit:
            return 0
        before, self._waiting = self.written - self.limit + self._waiting, self._waiting + 1
        leaves = self.latest[min(before, len(self.latest) - 1)] if self.latest else self.now
        return max(leaves + UNIQUE_SPAN, self.now + LOOK_AGAIN)

    def take(self, phone: str) -> None:
        if phone not in self.phones:
            self.phones.add(phone)
            self.written += 1


def quota_for(connection: Connection, limit: int | None, phones: Collection[str], now: Millis) -> Quota:
    """What is left of the limit for these phones (digits). Other replicas wait until this transaction has used it."""
    if limit is None:
        return Unlimited()
    queries.attempts.lock_recipient_count(connection)
    since = now - UNIQUE_SPAN
    written = queries.attempts.count_phones_since(connection, since)
    known = queries.attempts.phones_written_since(connection, phones, since)
    leaving = max(written - limit, 0) + len(phones) + 1 if written + len(phones) > limit else 0
    return DailyQuota(limit, now, written, known, queries.attempts.earliest_last_sends(connection, since, leaving))
