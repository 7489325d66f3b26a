"""Another way to somebody, once a medium is impossible for them: which endings lead on, and to what. Pure.

A fallback is a row of its own, (reminder, medium), and passes all the checks of its own medium. It never comes of an
opt-out, the holdout or a dry run, since those are not about the medium; nor of what is our own fault (no connection,
a credential, a template, a rate), since that will be mended and says nothing about the person; nor of words that we
cannot read, since they may be any of these. An opt-out is the person's: said on one medium, it stops all of them.
"""

from collections.abc import Sequence
from dataclasses import replace

from consumer.clock import Millis
from consumer.deliver.lifecycle import Status, Suppress, Verdict
from consumer.deliver.policy.checks import CHECKS, Check, Facts, phone_is_good, recipient_is_free
from consumer.ledger.schema.rows import ReminderRow
from consumer.onemsg.error_table import BY_CODE
from consumer.onemsg.outcomes import Remedy

EMAIL = "email"
WEBHOOK = "webhook"

_NO_WAY = frozenset({"no_phone", "bad_phone", "no_email", "bad_email", "unreachable"})
_ABOUT_THE_MESSAGE = {Remedy.RECIPIENT, Remedy.MESSAGE, Remedy.DAY, Remedy.PAIR, Remedy.TRANSIENT}
_OUR_DOING = {"own_number", "not_on_test_list", "blocked_by_us"}
_FAILED = {row.reason for row in BY_CODE.values() if row.remedy in _ABOUT_THE_MESSAGE} - _OUR_DOING
_ELSEWHERE = {"unreachable", "refused", "refused_by_policy", "try_later"}
"""What e-mail fails for (`media/smtp.py`), and a webhook, after which nothing comes."""

FAILURES = frozenset(_FAILED | _ELSEWHERE)
"""Reasons for which a reminder that has failed may be carried another way. What is not here is not."""


def may_fall_back(status: Status, reason: str | None) -> bool:
    """Whether another medium is to be looked for."""
    if status is Status.SUPPRESSED:
        return reason in _NO_WAY
    return status is Status.FAILED and reason in FAILURES


def next_medium_row(row: ReminderRow, media: Sequence[str], now: Millis) -> ReminderRow | None:
    """The row on the next of the configured media (in their order); None after the last, or if it is wanted no more."""
    if row.returned_at is not None or row.completed_at is not None or row.superseded_at is not None:
        return None
    following = media[media.index(row.medium) + 1 :] if row.medium in media else media
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
        status=Status.PLANNED.value,
        due_at=now,
        created_at=now,
        updated_at=now,
    )


def with_siblings(facts: Facts, siblings: Sequence[ReminderRow], overtaken: bool) -> Facts:
    """The facts of a row together with those of the same reminder on other media, and of a lapse that came later.

    The rows may have been locked by others when this one was added: what they were told since then counts here too.
    """
    return replace(
        facts,
        returned=facts.returned or any(row.returned_at is not None for row in siblings),
        completed=facts.completed or any(row.completed_at is not None for row in siblings),
        superseded=facts.superseded or overtaken or any(row.superseded_at is not None for row in siblings),
        arrived=any(row.status in {Status.DELIVERED, Status.READ} for row in siblings),
    )


def email_is_good(facts: Facts) -> Verdict | None:
    if facts.bad_email:
        return Suppress("bad_email")
    return None if facts.email else Suppress("no_email")


_OWN = {EMAIL: (email_is_good,), WEBHOOK: ()}


def checks_for(medium: str) -> Sequence[Check]:
    """The list of `checks.py`, with what it asks about the phone replaced by what matters to this medium."""
    own: tuple[Check, ...] = _OWN[medium]
    return tuple(
        each
        for check in CHECKS
        for each in (own if check is phone_is_good else () if check is recipient_is_free else (check,))
    )
