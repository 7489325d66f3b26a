"""How many different recipients a business may write to within a day (docs/1msg.md#limits-and-policy)."""

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import Connection

from consumer.clock import MINUTE, Millis
from consumer.ledger import queries
from consumer.onemsg.limits import UNIQUE_SPAN

MIN_WAIT_MS: Millis = 5 * MINUTE
"""The least wait for a free place, so that a queue of thousands is not checked for each place that becomes free."""


@dataclass(slots=True)
class DailyQuota:
    """At most `limit` different phones in any UNIQUE_SPAN; a phone that already counts is always free. Pure.

    `used` counts the phones written to in the span before `now`; `counted` are those among this batch's phones.
    `leaving`: when the phones that leave the span next were last written to, earliest first.
    """

    limit: int
    now: Millis
    used: int
    counted: set[str]
    leaving: list[Millis] = field(default_factory=list)
    _waiting: int = 0

    def free_at(self, phone: str) -> Millis:
        """Return from when on this phone (its hash) may be written to; 0 if it may be now."""
        if phone in self.counted or self.used < self.limit:
            return 0
        position, self._waiting = self.used - self.limit + self._waiting, self._waiting + 1
        last_written_at = self.leaving[min(position, len(self.leaving) - 1)] if self.leaving else self.now
        return max(last_written_at + UNIQUE_SPAN, self.now + MIN_WAIT_MS)

    def take(self, phone: str) -> None:
        """Count a message to this phone."""
        if phone not in self.counted:
            self.counted.add(phone)
            self.used += 1


def quota_for(connection: Connection, limit: int, phones: Collection[str], now: Millis) -> DailyQuota:
    """Return the quota for one batch with these phones (hashes), whose rows are decided about in order.

    Other replicas wait for it until this transaction ends.
    """
    queries.attempts.lock_recipient_count(connection)
    since = now - UNIQUE_SPAN
    used = queries.attempts.count_phones_since(connection, since)
    counted = queries.attempts.phones_written_since(connection, phones, since)
    leaving = max(used - limit, 0) + len(phones) + 1 if used + len(phones) > limit else 0
    return DailyQuota(limit, now, used, counted, queries.attempts.earliest_last_sends(connection, since, leaving))
