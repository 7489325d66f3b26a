"""The life of a reminder: every transition there is. Pure.

| status       | meaning                                   | goes to                                                   |
|--------------|-------------------------------------------|-----------------------------------------------------------|
| `planned`    | the row exists                            | suppressed, cancelled, deferred, sending                  |
| `deferred`   | not now; at `until` all checks again      | suppressed, cancelled, deferred, sending, delivered, read |
| `suppressed` | never sent, for a reason; final           | –                                                         |
| `cancelled`  | no longer wanted, for a reason; final     | –                                                         |
| `sending`    | claimed and journalled, under a lease     | accepted, rejected, unknown                               |
| `accepted`   | 1MSG accepted it and gave an id           | accepted, sent, delivered, read, failed                   |
| `unknown`    | may be out; never sent again by itself    | accepted, unresolved                                      |
| `unresolved` | still unknown; final until more is known  | accepted, planned                                         |
| `rejected`   | certainly not accepted                    | deferred, failed                                          |
| `sent`       | WhatsApp has it                           | sent, delivered, read, failed                             |
| `delivered`  | the phone has it; final                   | read                                                      |
| `read`       | the client has read it; final             | –                                                         |
| `failed`     | final, unless another try is allowed      | deferred, delivered, read (late ones override it)         |

Reports may come in any order and any number of times: the greatest of accepted < sent < failed < delivered < read wins.
A message that was delivered after all is not tried again. A message without any further report keeps its status in a
last record (`no_report`). `planned` and `sending` are internal and not published; neither is a deferral that repeats
the same reason.
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
"""Nothing has gone out, and the reminder can still be stopped."""

IN_DOUBT = frozenset({_S.SENDING, _S.UNKNOWN, _S.UNRESOLVED})
"""Something may have gone out; whether another try is allowed is not known."""

FINAL = frozenset({_S.SUPPRESSED, _S.CANCELLED, _S.UNRESOLVED, _S.DELIVERED, _S.READ, _S.FAILED})
"""Nothing more is intended, though a report may still come."""

SILENT = frozenset({_S.PLANNED, _S.SENDING})
"""Not published."""

NO_REPORT = "no_report"
"""The reason of the last record about a message that was accepted and never reported on."""

_RANKS = (_S.ACCEPTED, _S.SENT, _S.FAILED, _S.DELIVERED, _S.READ)


class StatusSource(StrEnum):
    """Where a change of status comes from."""

    RESPONSE = "response"
    WEBHOOK = "webhook"
    POLL = "poll"
    ECHO = "echo"
    CHECK = "check"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Suppress:
    """Never send it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now. The checks run again at `until`, or earlier when what it waits for happens."""

    reason: str
    until: Millis


@dataclass(frozen=True, slots=True)
class Cancel:
    """It is no longer wanted: returned, completed, arrived, superseded or by_operator."""

    reason: str
    source: StatusSource = StatusSource.CHECK


@dataclass(frozen=True, slots=True)
class Fail:
    """It has failed on this medium for good."""

    reason: str


Verdict = Suppress | Defer | Cancel
"""Why a reminder is not sent now."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A worker has journalled an attempt and is about to send it."""


@dataclass(frozen=True, slots=True)
class AttemptAccepted:
    """1MSG accepted the attempt under this id, or an echo or an operator says that it did (an operator has no id)."""

    message_id: str | None
    source: StatusSource = StatusSource.RESPONSE
    is_last: bool = False
    """No report will follow: this medium has none."""


@dataclass(frozen=True, slots=True)
class AttemptRefused:
    """The attempt was certainly not accepted; `then` is what follows."""

    reason: str
    then: Defer | Fail
    error_code: int | None = None


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """Nobody knows whether the attempt was accepted."""

    reason: str
    source: StatusSource = StatusSource.RESPONSE


@dataclass(frozen=True, slots=True)
class Reported:
    """The provider reports on a message."""

    progress: Progress
    source: StatusSource
    reason: str | None = None
    error_code: int | None = None
    then: Defer | None = None
    """With a failure: when to try another message."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """An unknown was looked for, or a report waited for, until the time was up."""


@dataclass(frozen=True, slots=True)
class ConfirmedUnsent:
    """An operator knows that an unresolved attempt reached nobody."""


Event = Verdict | Claimed | AttemptAccepted | AttemptRefused | OutcomeUnknown | Reported | TimedOut | ConfirmedUnsent


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a reminder's status. `publish`: whether it goes onto `delivery-status`."""

    status: Status
    source: StatusSource
    reason: str | None = None
    until: Millis | None = None
    error_code: int | None = None
    message_id: str | None = None
    publish: bool = True
    closes: bool | None = None
    """Whether it is the last intended change; None if the status alone decides."""

    @property
    def final(self) -> bool:
        return self.status in FINAL if self.closes is None else self.closes


@dataclass(frozen=True, slots=True)
class NoChange:
    """The event changes nothing, and why: it is repeated, late, or does not apply to this status."""

    why: str


def transition(status: Status, reason: str | None, event: Event) -> tuple[Change, ...] | NoChange:
    """Return the changes, in order, that an event makes to a reminder with this status and reason; or why none.

    Each change is in TRANSITIONS.
    """
    match event:
        case Suppress() | Defer() | Cancel():
            return _after_verdict(status, reason, event)
        case Claimed():
            return _only_from(UNSENT, status, Change(_S.SENDING, StatusSource.CHECK, publish=False))
        case AttemptAccepted():
            return _after_accepted(status, event)
        case AttemptRefused():
            return _after_refused(status, event)
        case OutcomeUnknown(why, source):
            return _only_from({_S.SENDING}, status, Change(_S.UNKNOWN, source, why))
        case Reported():
            return _after_report(status, event)
        case TimedOut():
            return _after_timeout(status, reason)
        case ConfirmedUnsent():
            return _only_from({_S.UNRESOLVED}, status, Change(_S.PLANNED, StatusSource.OPERATOR, publish=False))


def _only_from(
    allowed: frozenset[Status] | set[Status], status: Status, change: Change
) -> tuple[Change, ...] | NoChange:
    return (change,) if status in allowed else NoChange(f"is_{status}")


def _after_verdict(status: Status, reason: str | None, verdict: Verdict) -> tuple[Change, ...] | NoChange:
    if status not in UNSENT:
        return NoChange(f"is_{status}")
    match verdict:
        case Suppress(why):
            return (Change(_S.SUPPRESSED, StatusSource.CHECK, why),)
        case Cancel(why, source):
            return (Change(_S.CANCELLED, source, why),)
        case Defer(why, until):
            repeated = status is _S.DEFERRED and why == reason
            return (Change(_S.DEFERRED, StatusSource.CHECK, why, until, publish=not repeated),)


def _after_accepted(status: Status, accepted: AttemptAccepted) -> tuple[Change, ...] | NoChange:
    may_become_accepted = {_S.SENDING, _S.UNKNOWN, _S.UNRESOLVED}  # an answer after the end of the lease still counts
    reason = "by_operator" if accepted.source is StatusSource.OPERATOR else None
    closes = True if accepted.is_last or accepted.message_id is None else None  # without an id no report can match
    change = Change(_S.ACCEPTED, accepted.source, reason, message_id=accepted.message_id, closes=closes)
    return _only_from(may_become_accepted, status, change)


def _after_refused(status: Status, refused: AttemptRefused) -> tuple[Change, ...] | NoChange:
    """Count a refusal only while `sending`: once the attempt is unknown, a late refusal must not send it again."""
    if status is not _S.SENDING:
        return NoChange(f"is_{status}")
    code, source = refused.error_code, StatusSource.RESPONSE
    first = Change(_S.REJECTED, source, refused.reason, error_code=code)
    match refused.then:
        case Defer(why, until):
            return first, Change(_S.DEFERRED, source, why, until, code)
        case Fail(why):
            return first, Change(_S.FAILED, source, why, error_code=code)


def _after_timeout(status: Status, reason: str | None) -> tuple[Change, ...] | NoChange:
    """Give up waiting. Where reports are missing the status stays, in a record that is the last unless one comes."""
    if status in {_S.ACCEPTED, _S.SENT}:
        no_report = Change(status, StatusSource.CHECK, NO_REPORT, closes=True)
        return NoChange("repeated") if reason == NO_REPORT else (no_report,)
    return _only_from({_S.UNKNOWN}, status, Change(_S.UNRESOLVED, StatusSource.CHECK, "gave_up"))


def _after_report(status: Status, report: Reported) -> tuple[Change, ...] | NoChange:
    reported = Status(report.progress)
    if status is _S.DEFERRED and reported in {_S.DELIVERED, _S.READ}:  # it arrived after all: no other try is needed
        return (Change(reported, report.source),)
    if status not in _RANKS:
        return NoChange(f"is_{status}")
    if _RANKS.index(reported) <= _RANKS.index(status):
        return NoChange("repeated" if reported is status else f"already_{status}")
    if reported is not _S.FAILED:
        return (Change(reported, report.source),)
    reason, code, then = report.reason or "failed", report.error_code, report.then
    if then is None:
        return (Change(reported, report.source, reason, error_code=code),)
    failed = Change(reported, report.source, reason, error_code=code, closes=False)
    return failed, Change(_S.DEFERRED, report.source, then.reason, then.until, code)
