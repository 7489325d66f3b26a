"""Rows of the busiest tables as values: read under a lock, changed by replacement, written back where they differ."""

from dataclasses import dataclass, fields
from typing import NamedTuple

from consumer.clock import Millis
from consumer.ledger.schema.channel_tables import channels
from consumer.ledger.schema.tables import contacts, reminders


class ReminderRow(NamedTuple):
    """One reminder on one medium. The fields are the columns of `tables.reminders`, which explains them.

    A tuple, because a reminder is read and replaced several times on its way, and that costs a data class six times
    as much.
    """

    reminder_id: str
    medium: str
    user_id: str
    process: str
    step: int
    action: str | None
    last_seen: Millis
    lapsed_at: Millis | None
    occurred_at: Millis
    partition: int
    status: str
    created_at: Millis
    updated_at: Millis
    reason: str | None = None
    until: Millis | None = None
    due_at: Millis | None = None
    lease_until: Millis | None = None
    unknown_since: Millis | None = None
    quiet_since: Millis | None = None
    fallback_at: Millis | None = None
    polls: int = 0
    sequence: int = 0
    attempts: int = 0
    counted_attempts: int = 0
    attempted_at: Millis | None = None
    claimed_by: str | None = None
    message_id: str | None = None
    phone: str | None = None
    template: str | None = None
    language: str | None = None
    error_code: int | None = None
    superseded_at: Millis | None = None
    returned_at: Millis | None = None
    completed_at: Millis | None = None
    traceparent: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.reminder_id, self.medium

    @property
    def lapse_time(self) -> Millis:
        """When the user counted as lapsed; when they were last seen, if the row has no such time."""
        return self.last_seen if self.lapsed_at is None else self.lapsed_at


@dataclass(frozen=True, slots=True)
class ContactRow:
    """What a user's CRM says; nothing but the id is left of an erased one."""

    user_id: str
    name: str | None
    phone: str | None
    locale: str | None
    timezone: str | None
    email: str | None
    opt_in: bool | None
    updated_at: Millis | None
    erased: bool


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """The state of the circuit breaker of a medium, or of one template on it; see `channel_tables.channels`."""

    name: str
    stopped_because: str | None = None
    stopped_at: Millis | None = None
    probe_at: Millis | None = None
    stops: int = 0
    unclear_attempts: int = 0
    error: str | None = None
    opened_by_report: bool = False
    accepted_probe_at: Millis | None = None

    @property
    def why(self) -> str | None:
        """Why it is open, for people: the reason, and the provider's words; None while it is closed."""
        return ": ".join(filter(None, [self.stopped_because, self.error])) if self.stopped_because else None


REMINDER = [reminders.c[name] for name in ReminderRow._fields]
CONTACT = [contacts.c[field.name] for field in fields(ContactRow)]
CHANNEL = [channels.c[field.name] for field in fields(ChannelRow)]
"""Columns in the order of the fields above."""
