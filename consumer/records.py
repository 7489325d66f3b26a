"""The records Lapse exchanges over Kafka: one frozen class for each schema in `schemas/`.

Times are milliseconds since the epoch, UTC. Field names and types are those of the Avro schemas, so a
record goes to and from a dictionary by its fields alone.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Generic, TypeVar

from consumer.clock import Millis

WHATSAPP = "whatsapp"
EMAIL = "email"
WEBHOOK = "webhook"
"""The values of `medium`: what carries a message to a person."""


class ActivityKind(StrEnum):
    """What a user did in a process."""

    STARTED = "STARTED"
    PROGRESSED = "PROGRESSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class Ending(IntEnum):
    """How an activity ends its process. Of two endings at the same time the greater counts."""

    NONE = 0
    """It is still open."""
    CANCELLED = 1
    COMPLETED = 2
    """Greater than CANCELLED: a platform that closes a finished process may cancel what is left of it in the same
    millisecond, and the user has still finished."""


class ReminderKind(StrEnum):
    """What detect tells deliver."""

    DUE = "DUE"
    """A lapse: remind this user."""
    RETURNED = "RETURNED"
    """The user of an asked reminder was active again."""
    COMPLETED = "COMPLETED"
    """The user of an asked reminder completed the process."""
    CANCELLED = "CANCELLED"
    """The user of an asked reminder, or the platform, cancelled the process."""
    WATERMARK = "WATERMARK"
    """Everything written to this partition up to `occurred_at` has been read. `watched` to `distrusted` are set."""
    REBUILT = "REBUILT"
    """Detect's state of this partition was rebuilt from the input's history: whatever is unsent and not asked for
    again is no longer wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserActivity:
    """One event of the input topic."""

    event_id: str
    user_id: str
    process: str
    kind: ActivityKind
    action: str | None = None
    occurred_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    """What detect asks of deliver. WATERMARK and REBUILT have no user, process, step or times of a lapse.

    `step` is 0-based; `lapsed_at` is `last_seen + remind_after[step]`; `occurred_at` is the time of the lapse, the
    return, the completion, the cancellation or the watermark; `detected_at` is the wall time at which detect saw it.

    A WATERMARK tells what detect does with the partition: how many rows it watches, how many lapses the brake holds
    back and why, and whether the watermark stands still because too many records cannot be read.
    """

    reminder_id: str | None = None
    kind: ReminderKind
    user_id: str | None = None
    process: str | None = None
    step: int | None = None
    action: str | None = None
    last_seen: Millis | None = None
    lapsed_at: Millis | None = None
    occurred_at: Millis
    detected_at: Millis
    watched: int | None = None
    held: int | None = None
    brake: str | None = None
    distrusted: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """How a user can be reached, and whether they agreed to it."""

    user_id: str
    name: str | None = None
    phone: str | None = None
    locale: str | None = None
    timezone: str | None = None
    email: str | None = None
    opt_in: bool | None = None
    """None says nothing, and changes nothing."""
    opted_in_at: Millis | None = None
    """When the person themselves last agreed."""
    updated_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryStatus:
    """One line of a reminder's life, for everybody else.

    `sequence` orders the records of one (reminder, medium); `final` says that nothing more is intended.
    `source` is one of response, webhook, poll, echo, check, operator.
    """

    event_id: str
    reminder_id: str
    sequence: int
    user_id: str
    process: str
    step: int
    medium: str
    status: str
    final: bool
    reason: str | None = None
    error_code: int | None = None
    message_id: str | None = None
    attempt: int | None = None
    template: str | None = None
    language: str | None = None
    lapsed_at: Millis | None = None
    until: Millis | None = None
    source: str
    occurred_at: Millis
    recorded_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """A person asked not to be written to. It is about a user, or, with no `user_id`, about a number or a mailbox.

    `source` is as in DeliveryStatus, or other.
    """

    user_id: str = ""
    medium: str
    reason: str
    occurred_at: Millis
    phone_hash: str | None = None
    email_hash: str | None = None
    source: str = "other"

    @property
    def subject(self) -> str:
        """As in `tables.opt_outs`."""
        if self.email_hash is not None:
            return f"email:{self.email_hash}"
        return f"user:{self.user_id}" if self.phone_hash is None else f"phone:{self.phone_hash}"


Record = UserActivity | Reminder | Contact | DeliveryStatus | OptOut


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(Generic[T]):
    """A record where it was found on its topic. A null value (a deletion on a compacted topic) is `None`; `traceparent`
    is that of its headers."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: T | None
    traceparent: str | None = None
