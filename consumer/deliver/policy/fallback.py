"""Which endings on one medium lead to another medium, and to which. Pure.

A fallback is a row of its own, (reminder, medium), and passes all the checks of its medium. It never follows an
opt-out, the holdout or a dry run: those are not about the medium. It never follows our own faults (no connection, a
credential, a template, a rate): they will be repaired and say nothing about the person. It never follows an error that
we cannot interpret, since that may be any of these. An opt-out belongs to the person: on one medium it stops all.
"""

from collections.abc import Sequence
from dataclasses import replace

from consumer.clock import MINUTE, Millis
from consumer.deliver.lifecycle import Defer, Status, Suppress, Verdict
from consumer.deliver.policy.checks import CHECKS, Check, Facts, phone_is_good
from consumer.ledger.schema.rows import ReminderRow
from consumer.onemsg.error_table import BY_CODE
from consumer.onemsg.outcomes import Remedy
from consumer.records import EMAIL, WEBHOOK

_NO_ADDRESS = frozenset({"no_phone", "bad_phone", "no_email", "bad_email", "unreachable", "medium_not_configured"})
_ABOUT_THE_MESSAGE = {Remedy.RECIPIENT, Remedy.MESSAGE, Remedy.DAY, Remedy.PAIR, Remedy.TRANSIENT}
_OUR_OWN_FAULT = {"own_number", "not_on_test_list", "blocked_by_us"}
_WHATSAPP_FAILURES = {row.reason for row in BY_CODE.values() if row.remedy in _ABOUT_THE_MESSAGE} - _OUR_OWN_FAULT
_OTHER_FAILURES = {"unreachable", "refused", "refused_by_policy", "try_later"}
"""Reasons of `media/smtp.py`, and of the webhook, after which no medium follows."""

FAILURES = frozenset(_WHATSAPP_FAILURES | _OTHER_FAILURES)
"""Reasons for which a failed reminder may go out on another medium. No other reason leads to one."""


LATE_DELIVERY_SPAN: Millis = 15 * MINUTE
"""For how long after a reported failure another medium waits: a delivery may still be reported, for example by another
device of the person (docs/1msg.md#order-and-repeats)."""


def fall_back_at(status: Status, reason: str | None, *, accepted: bool, now: Millis) -> Millis | None:
    """Return when another medium may follow this ending; None if none may. `accepted`: the provider had taken it."""
    if not may_fall_back(status, reason):
        return None
    return now + LATE_DELIVERY_SPAN if accepted else now


def may_fall_back(status: Status, reason: str | None) -> bool:
    """Return whether another medium may follow this ending."""
    if status is Status.SUPPRESSED:
        return reason in _NO_ADDRESS
    return status is Status.FAILED and reason in FAILURES


def following_media(medium: str, media: Sequence[str]) -> Sequence[str]:
    """Return the configured media that come after this one; all of them after WhatsApp."""
    return media[media.index(medium) + 1 :] if medium in media else media


def next_medium_row(row: ReminderRow, media: Sequence[str], now: Millis) -> ReminderRow | None:
    """Return the row on the next of the configured media, in their order.

    None after the last medium, or if the user returned, completed the process or lapsed again.
    """
    if row.returned_at is not None or row.completed_at is not None or row.superseded_at is not None:
        return None
    following = following_media(row.medium, media)
    if not following:
        return None
    return ReminderRow(
        reminder_id=row.reminder_id,
        medium=following[0],
        user_id=row.user_id,
        process=row.process,
        step=row.step,
        action=row.action,
        last_seen=row.last_seen,
        lapsed_at=row.lapsed_at,
        occurred_at=row.occurred_at,
        partition=row.partition,
        traceparent=row.traceparent,
        status=Status.PLANNED.value,
        due_at=now,
        created_at=now,
        updated_at=now,
    )


def with_siblings(facts: Facts, siblings: Sequence[ReminderRow], overtaken: bool) -> Facts:
    """Return the facts combined with those of the same reminder's rows on other media.

    A transaction that recorded a return on the siblings may not have seen this row yet, so their returns, completions
    and supersessions count here too. `overtaken`: the user has lapsed again in the same process.
    """
    return replace(
        facts,
        returned=facts.returned or any(row.returned_at is not None for row in siblings),
        completed=facts.completed or any(row.completed_at is not None for row in siblings),
        superseded=facts.superseded or overtaken or any(row.superseded_at is not None for row in siblings),
        arrived=any(row.status in {Status.DELIVERED, Status.READ} for row in siblings),
    )


def email_is_good(facts: Facts) -> Verdict | None:
    """Judge an address as `phone_is_good` does a number."""
    if facts.bad_email:
        return Suppress("bad_email") if facts.has_next_medium else Defer("bad_email", facts.too_old_at)
    if facts.email:
        return None
    return Suppress("no_email") if facts.has_next_medium else Defer("no_email", facts.too_old_at)


_ADDRESS_CHECKS: dict[str, tuple[Check, ...]] = {EMAIL: (email_is_good,), WEBHOOK: ()}


def checks_for(medium: str) -> Sequence[Check]:
    """Return the list of `checks.py` with the check of the phone replaced by that of this medium's address."""
    return tuple(each for check in CHECKS for each in (_ADDRESS_CHECKS[medium] if check is phone_is_good else (check,)))
