"""What each check asked, and what it was told, as far as a decision shows it. Pure.

The first check that objects decides. So those before it said yes, and those after it were not asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumer.deliver.policy.checks import CHECKS

QUESTIONS: Mapping[str, tuple[str, frozenset[str]]] = {
    "still_wanted": (
        "Is the person still away, and was nothing newer asked for?",
        frozenset({"completed", "returned", "arrived", "superseded"}),
    ),
    "detect_is_fresh": ("Has detect read far enough to know that?", frozenset({"detect_behind"})),
    "contacts_are_fresh": ("Have the contacts been read lately?", frozenset({"contacts_behind"})),
    "not_expired": ("Is the lapse recent enough?", frozenset({"expired"})),
    "contact_is_known": ("Is there a contact?", frozenset({"no_contact"})),
    "contact_is_readable": ("Can the contact be read?", frozenset({"unreadable_contact"})),
    "name_is_known": ("Is there a name for the message?", frozenset({"no_name"})),
    "phone_is_good": ("Is there a phone number that can be one?", frozenset({"no_phone", "bad_phone"})),
    "consent_is_given": ("Did the person agree, and not opt out?", frozenset({"opted_out", "no_opt_in"})),
    "recipient_is_free": ("Is nothing held against this number?", frozenset({"recipient_hold", "unreachable"})),
    "not_asked_before": ("Is this silence not written about yet?", frozenset({"already_asked"})),
    "spaced_out": ("Is the last message long enough ago?", frozenset({"too_soon"})),
    "not_paused": ("Has no operator paused it?", frozenset({"paused"})),
    "channel_works": ("Does the channel work?", frozenset({"channel_stopped"})),
    "template_is_usable": ("Can the template be sent?", frozenset({"template_unusable"})),
    "marketing_is_delivered": ("Does this kind of message reach the country?", frozenset({"unreachable"})),
    "window_is_open": ("Is it a good hour where the person is?", frozenset({"quiet_hours"})),
    "under_the_caps": ("Has the person had few enough messages?", frozenset({"frequency_cap"})),
    "recipient_quota_is_free": ("Has the channel written to few enough people?", frozenset({"frequency_cap"})),
    "is_selected": ("Is the person among those selected?", frozenset({"not_selected"})),
    "not_held_out": ("Is the person outside the holdout?", frozenset({"holdout"})),
    "not_a_dry_run": ("Is it meant, and no dry run?", frozenset({"dry_run"})),
}
"""By the name of each check: what it asks, and the reasons with which it says no."""


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """One check. `passed` is None where it was not asked."""

    question: str
    passed: bool | None


def answers(reason: str | None) -> Sequence[CheckAnswer]:
    """Return the answers behind a decision for this reason; None means that the message was sent.

    Empty for a reason that no check gives.
    """
    asked = [QUESTIONS[check.__name__] for check in CHECKS]
    if reason is None:
        return [CheckAnswer(question, True) for question, _ in asked]
    objects = next((at for at, (_, reasons) in enumerate(asked) if reason in reasons), None)
    if objects is None:
        return ()
    return [
        CheckAnswer(question, True if at < objects else False if at == objects else None)
        for at, (question, _) in enumerate(asked)
    ]
