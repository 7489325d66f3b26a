"""The life of a reminder: every transition there is, and nothing that acts.

| status       | meaning                                   | goes to                                                   |
|--------------|-------------------------------------------|-----------------------------------------------------------|
| `planned`    | the row exists                            | suppressed, cancelled, deferred, sending                  |
| `deferred`   | not now; at `until` all checks again      | suppressed, cancelled, deferred, sending, delivered, read |
| `suppressed` | never sent, for a reason; final           | –                                                         |
| `cancelled`  | no longer wanted, for a reason; final     | –                                                         |
| `sending`    | claimed and journalled, under a lease     | accepted, rejected, unknown                               |
| `accepted`   | 1MSG took it and gave an id               | accepted, sent, delivered, read, failed                   |
| `unknown`    | may be out; never sent again by itself    | accepted, unresolved                                      |
| `unresolved` | still unknown; final until more is known  | accepted, planned                                         |
| `rejected`   | certainly not accepted                    | deferred, failed                                          |
| `sent`       | WhatsApp has it                           | sent, delivered, read, failed                             |
| `delivered`  | the phone has it; final                   | read                                                      |
| `read`       | the client has read it; final             | –                                                         |
| `failed`     | final, unless another try is allowed      | deferred, delivered, read (late ones override it)         |

Reports may come in any order and any number of times: among what they say, the greatest of
accepted < sent < failed < delivered < read wins. What arrived after all is not tried again. A message of which nothing
more is heard keeps its status in a last record (`no_report`). `planned` and `sending` are nobody else's business and
are not published; neither is a deferral repeated for the same reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from consumer.clock import Millis
from consumer.onemsg.webhook.notifications import Progress


class Status(StrEnum):
    PLANNED = "planned"
    DEFERRED = "deferred"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    SENDING = "sending"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    UNRESOLVED = "unresolved"
    REJECTED = "rejected"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


_S = Status
TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    _S.PLANNED: frozenset({_S.SUPPRESSED, _S.CANCELLED, _S.DEFERRED, _S.SENDING}),
    _S.DEFERRED: frozenset({_S.SUPPRESSED, _S.CANCELLED, _S.DEFERRED, _S.SENDING, _S.DELIVERED, _S.READ}),
    _S.SUPPRESSED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.SENDING: frozenset({_S.ACCEPTED, _S.REJECTED, _S.UNKNOWN}),
    _S.ACCEPTED: frozenset({_S.ACCEPTED, _S.SENT, _S.DELIVERED, _S.READ, _S.FAILED}),
    _S.UNKNOWN: frozenset({_S.ACCEPTED, _S.UNRESOLVED}),
    _S.UNRESOLVED: frozenset({_S.ACCEPTED, _S.PLANNED}),
    _S.REJECTED: frozenset({_S.DEFERRED, _S.FAILED}),
    _S.SENT: frozenset({_S.SENT, _S.DELIVERED, _S.READ, _S.FAILED}),
    _S.DELIVERED: frozenset({_S.READ}),
    _S.READ: frozenset(),
    _S.FAILED: frozenset({_S.DEFERRED, _S.DELIVERED, _S.READ}),
}

UNSENT = frozenset({_S.PLANNED, _S.DEFERRED})
"""Nothing has gone out, and it can still be stopped."""

IN_DOUBT = frozenset({_S.SENDING, _S.UNKNOWN, _S.UNRESOLVED})
"""Something may have gone out; whether it may be tried again is not settled."""

FINAL = frozenset({_S.SUPPRESSED, _S.CANCELLED, _S.UNRESOLVED, _S.DELIVERED, _S.READ, _S.FAILED})
"""Nothing more is intended, though a report may still come."""

SILENT = frozenset({_S.PLANNED, _S.SENDING})
"""Not published."""

NO_REPORT = "no_report"
"""The reason of a last record about a message that was taken, and of which nothing more was ever heard."""

_RANKS = (_S.ACCEPTED, _S.SENT, _S.FAILED, _S.DELIVERED, _S.READ)


class StatusSource(StrEnum):
    """Who says so."""

    RESPONSE = "response"
    WEBHOOK = "webhook"
    POLL = "poll"
    ECHO = "echo"
    CHECK = "check"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Suppress:
    """It is never to be sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now. It is looked at again at `until`, or when what it waits for comes earlier."""

    reason: str
    until: Millis


@dataclass(frozen=True, slots=True)
class Cancel:
    """It is no longer wanted: returned, completed, superseded, by_operator."""

    reason: str
    source: StatusSource = StatusSource.CHECK


@dataclass(frozen=True, slots=True)
class Fail:
    """It has failed on this medium, for good."""

    reason: str


Verdict = Suppress | Defer | Cancel
"""Why a reminder is not sent now."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A worker has journalled an attempt and is about to send."""


@dataclass(frozen=True, slots=True)
class AttemptAccepted:
    """1MSG accepted the attempt under this id, or an operator or an echo says that it did (an operator has no id)."""

    message_id: str | None
    source: StatusSource = StatusSource.RESPONSE
    last: bool = False
    """No report of it will come: this medium has none."""


@dataclass(frozen=True, slots=True)
class AttemptRefused:
    """The attempt was certainly not accepted; `then` is what follows from that."""

    reason: str
    then: Defer | Fail
    error_code: int | None = None


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """Nobody knows what became of the attempt."""

    reason: str
    source: StatusSource = StatusSource.RESPONSE


@dataclass(frozen=True, slots=True)
class Reported:
    """The provider tells of a message."""

    progress: Progress
    source: StatusSource
    reason: str | None = None
    error_code: int | None = None
    then: Defer | None = None
    """With a failure: when another message is to be tried."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """An unknown has been looked for, or a report waited for, long enough."""


@dataclass(frozen=True, slots=True)
class ConfirmedUnsent:
    """An operator knows that an attempt which was looked for in vain reached nobody."""


Event = Verdict | Claimed | AttemptAccepted | AttemptRefused | OutcomeUnknown | Reported | TimedOut | ConfirmedUnsent


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a reminder's life. `publish` says whether others hear of it."""

    status: Status
    source: StatusSource
    reason: str | None = None
    until: Millis | None = None
    error_code: int | None = None
    message_id: str | None = None
    publish: bool = True
    closes: bool | None = None
    """Whether it is the last that is intended, where the status alone does not say."""

    @property
    def final(self) -> bool:
        return self.status in FINAL if self.closes is None else self.closes


@dataclass(frozen=True, slots=True)
class NoChange:
    """The event changes nothing here, and why: it is repeated, late, or not for a reminder that stands there."""

    why: str


def transition(status: Status, reason: str | None, event: Event) -> tuple[Change, ...] | NoChange:
    """What an event makes of a reminder that stands at `status` for `reason`: changes in order, or none and why.

    Whatever it returns is in TRANSITIONS, one step after the other.
    """
    match event:
        case Suppress() | Defer() | Cancel():
            return _judged(status, reason, event)
        case Claimed():
            return _only(UNSENT, status, Change(_S.SENDING, StatusSource.CHECK, publish=False))
        case AttemptAccepted():
            return _taken(status, event)
        case AttemptRefused():
            return _refused(status, event)
        case OutcomeUnknown(why, source):
            return _only({_S.SENDING}, status, Change(_S.UNKNOWN, source, why))
        case Reported():
            return _reported(status, event)
        case TimedOut():
            return _given_up(status, reason)
        case ConfirmedUnsent():
            return _only({_S.UNRESOLVED}, status, Change(_S.PLANNED, StatusSource.OPERATOR, publish=False))


def _only(where: frozenset[Status] | set[Status], status: Status, change: Change) -> tuple[Change, ...] | NoChange:
    return (change,) if status in where else NoChange(f"is_{status}")


def _judged(status: Status, reason: str | None, verdict: Verdict) -> tuple[Change, ...] | NoChange:
    if status not in UNSENT:
        return NoChange(f"is_{status}")
    match verdict:
        case Suppress(why):
            return (Change(_S.SUPPRESSED, StatusSource.CHECK, why),)
        case Cancel(why, source):
            return (Change(_S.CANCELLED, source, why),)
        case Defer(why, until):
            said_before = status is _S.DEFERRED and why == reason
            return (Change(_S.DEFERRED, StatusSource.CHECK, why, until, publish=not said_before),)


def _taken(status: Status, taken: AttemptAccepted) -> tuple[Change, ...] | NoChange:
    answered = {_S.SENDING, _S.UNKNOWN, _S.UNRESOLVED}  # an answer that was too late for its lease still counts
    reason = "by_operator" if taken.source is StatusSource.OPERATOR else None
    closes = True if taken.last or taken.message_id is None else None  # (without an id no report can be about it)
    change = Change(_S.ACCEPTED, taken.source, reason, message_id=taken.message_id, closes=closes)
    return _only(answered, status, change)


def _refused(status: Status, refused: AttemptRefused) -> tuple[Change, ...] | NoChange:
    """Only while `sending`: once an attempt is unknown, a refusal that turns up late sends nothing again."""
    if status is not _S.SENDING:
        return NoChange(f"is_{status}")
    code, source = refused.error_code, StatusSource.RESPONSE
    first = Change(_S.REJECTED, source, refused.reason, error_code=code)
    match refused.then:
        case Defer(why, until):
            return first, Change(_S.DEFERRED, source, why, until, code)
        case Fail(why):
            return first, Change(_S.FAILED, source, why, error_code=code)


def _given_up(status: Status, reason: str | None) -> tuple[Change, ...] | NoChange:
    """A message of which nothing more is heard keeps its status, and that is the last record unless a report comes."""
    if status in {_S.ACCEPTED, _S.SENT}:
        silent = Change(status, StatusSource.CHECK, NO_REPORT, closes=True)
        return NoChange("repeated") if reason == NO_REPORT else (silent,)
    return _only({_S.UNKNOWN}, status, Change(_S.UNRESOLVED, StatusSource.CHECK, "gave_up"))


def _reported(status: Status, report: Reported) -> tuple[Change, ...] | NoChange:
    said = Status(report.progress)
    if status is _S.DEFERRED and said in {_S.DELIVERED, _S.READ}:  # it arrived after all: no other is needed
        return (Change(said, report.source),)
    if status not in _RANKS:
        return NoChange(f"is_{status}")
    if _RANKS.index(said) <= _RANKS.index(status):
        return NoChange("repeated" if said is status else f"already_{status}")
    if said is not _S.FAILED:
        return (Change(said, report.source),)
    reason, code, then = report.reason or "failed", report.error_code, report.then
    if then is None:
        return (Change(said, report.source, reason, error_code=code),)
    failed = Change(said, report.source, reason, error_code=code, closes=False)
    return failed, Change(_S.DEFERRED, report.source, then.reason, then.until, code)
