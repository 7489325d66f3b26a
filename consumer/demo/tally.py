"""What `delivery-status` has told so far, added up. Pure: anybody who reads the topic can do the same sums."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from consumer.records import DeliveryStatus

REACHED = ("sent", "delivered", "read")
"""Statuses that only the provider can report."""


@dataclass(frozen=True, slots=True)
class Life:
    """One reminder on one medium, so far."""

    reminder_id: str
    user_id: str
    status: str
    reason: str | None
    sequence: int
    seen: frozenset[str]
    """Every status it was ever told to have."""
    message_ids: frozenset[str]

    def then(self, record: DeliveryStatus) -> "Life":
        """After one more record; a repeated or an overtaken one adds to what was seen, and changes no status."""
        newer = record.sequence > self.sequence
        return Life(
            self.reminder_id,
            self.user_id,
            record.status if newer else self.status,
            record.reason if newer else self.reason,
            max(record.sequence, self.sequence),
            self.seen | {record.status},
            self.message_ids | ({record.message_id} if record.message_id else frozenset()),
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """The sums of a tally at one moment. `statuses` are where reminders stand now; `reasons` by (status, reason)."""

    lapses: int = 0
    records: int = 0
    unreadable: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[tuple[str, str], int] = field(default_factory=dict)


class Tally:
    """The lives of all reminders that were told of. One reminder id is one lapse."""

    def __init__(self) -> None:
        self._lives: dict[tuple[str, str], Life] = {}
        self._records = 0
        self._unreadable = 0

    def add(self, record: DeliveryStatus) -> None:
        key = (record.reminder_id, record.medium)
        life = self._lives.get(key)
        if life is None:
            life = Life(record.reminder_id, record.user_id, record.status, record.reason, -1, frozenset(), frozenset())
        self._lives[key] = life.then(record)
        self._records += 1

    def add_unreadable(self) -> None:
        self._unreadable += 1

    def lives(self) -> tuple[Life, ...]:
        return tuple(self._lives.values())

    def counts(self) -> Counts:
        lives = self._lives.values()
        return Counts(
            lapses=len({life.reminder_id for life in lives}),
            records=self._records,
            unreadable=self._unreadable,
            statuses=Counter(life.status for life in lives),
            reasons=Counter((life.status, life.reason) for life in lives if life.reason is not None),
        )
