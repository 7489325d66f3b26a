"""May this reminder go out now? One visible list of small checks in order; the first that objects decides.

Nothing here reads a clock or a database: everything that a check needs is a field of `Facts`. Each check returns None,
or what to do instead of sending and why. `CHECKS` is the list for WhatsApp; `fallback.checks_for` derives the lists of
the other media from it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consumer.clock import MINUTE, Millis
from consumer.deliver.lifecycle import Cancel, Defer, Suppress, Verdict
from consumer.deliver.policy.consent import may_be_asked
from consumer.onemsg.limits import WITHOUT_MARKETING


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRules:
    """The part of the policy that decides about a single reminder. Spans are milliseconds."""

    require_opt_in: bool
    expire_after: Millis
    max_staleness: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that is known about one due reminder at `now`. Moments and spans are milliseconds."""

    now: Millis
    rules: CheckRules
    lapsed_at: Millis
    last_seen: Millis
    watermark: Millis | None
    """The watermark of this reminder's partition; None if detect has not sent one yet."""
    contacts_read: bool
    """The contacts topic has been read to an end that it had lately."""
    returned: bool = False
    completed: bool = False
    superseded: bool = False
    has_contact: bool = False
    unreadable_contact: bool = False
    """Reading the contact raised an error."""
    name: str | None = None
    """Safe as a template parameter; the default name where the contact has none."""
    phone: str | None = None
    """Digits with country code."""
    phone_hash: str | None = None
    """What caps and quotas count of it: the same for all forms of the number."""
    region: str | None = None
    """The phone's country, such as ES, if the number determines it."""
    bad_phone: bool = False
    """The contact has a number that is not a phone number."""
    email: str | None = None
    email_hash: str | None = None
    """What caps count of it, where the reminder goes there: the same for all forms of the address."""
    bad_email: bool = False
    """The contact has an e-mail address that is not one."""
    has_next_medium: bool = False
    """Another medium follows where this one has no address."""
    arrived: bool = False
    """The message on another medium was delivered after all."""
    opt_in: bool | None = None
    """What the company's record says; None if it says nothing."""
    opted_out: bool = False
    held_until: Millis | None = None
    """No message to this recipient on this medium before then, whichever process the reminder is of."""
    unreachable: bool = False
    rung_attempted_at: Millis | None = None
    """Latest attempt of another reminder for this user, process and rung that may have gone out."""
    process_attempted_at: Millis | None = None
    """Latest attempt of another reminder for this user and process that may have gone out."""
    shortest_rung: Millis | None = None
    """Of the process's ladder; None for a process that is not configured."""
    locale: str | None = None
    """As the contact has it, unchecked."""
    has_plan: bool = True
    """The process is configured, so there are a template and an action."""
    template_stopped_until: Millis | None = None
    """When to look again for a usable template; None if there is one now."""
    marketing: bool = False
    """The template that would be sent counts as marketing (docs/1msg.md#category-of-a-reminder)."""
    paused: bool = False
    """An operator has paused this process or everything."""
    channel_stopped: bool = False
    cap_free_at: Millis = 0
    """The first moment at which one more message is within the frequency caps."""
    quota_free_at: Millis = 0
    """The first moment at which one more recipient is within the channel's daily limit."""
    selected: bool = True
    """The user is in `only_users`, or that is not set."""
    held_out: bool = False
    dry_run: bool = False
    opens_at: Millis | None = None
    """When the recipient's send window opens next; `now` while it is open; None if no window is set."""

    @property
    def too_old_at(self) -> Millis:
        """The first moment at which the lapse is older than `expire_after`."""
        return too_old_at(self.lapsed_at, self.rules)


MENDED_BY_CONTACT = ("no_contact", "no_name", "no_phone", "bad_phone", "no_email", "bad_email")
"""Reasons to wait for what another record of the contact may bring."""

Check = Callable[[Facts], Verdict | None]


def too_old_at(lapsed_at: Millis, rules: CheckRules) -> Millis:
    """Return the first moment at which a lapse is older than `expire_after`; at exactly that age it is not."""
    return lapsed_at + rules.expire_after + 1


def is_fresh(watermark: Millis | None, now: Millis, rules: CheckRules) -> bool:
    """Return whether a partition's watermark is recent enough to rely on silence."""
    return watermark is not None and now - watermark < rules.max_staleness


def still_wanted(facts: Facts) -> Verdict | None:
    """A return or a completion may have arrived while an attempt was under way."""
    if facts.completed:
        return Cancel("completed")
    if facts.returned:
        return Cancel("returned")
    if facts.arrived:
        return Cancel("arrived")
    return Cancel("superseded") if facts.superseded else None


def detect_is_fresh(facts: Facts) -> Verdict | None:
    """Until detect has caught up, nobody knows who came back meanwhile. Intake wakes these rows when it has."""
    if not is_fresh(facts.watermark, facts.now, facts.rules):
        # Not `expired` even if it is too old: detect may be about to report that the user returned.
        return Defer("detect_behind", max(facts.too_old_at, facts.now + MINUTE))
    return None


def contacts_are_fresh(facts: Facts) -> Verdict | None:
    """Until contacts have been read, nobody knows who was deleted or no longer agrees. Intake wakes these rows."""
    return None if facts.contacts_read else Defer("contacts_behind", facts.now + MINUTE)


def not_expired(facts: Facts) -> Verdict | None:
    return Suppress("expired") if facts.now >= facts.too_old_at else None


def contact_is_known(facts: Facts) -> Verdict | None:
    """Intake wakes these rows when the contact arrives."""
    return None if facts.has_contact else Defer("no_contact", facts.too_old_at)


def contact_is_readable(facts: Facts) -> Verdict | None:
    """One contact whose fields raise an error does not stop the others."""
    return Suppress("unreadable_contact") if facts.unreadable_contact else None


def name_is_known(facts: Facts) -> Verdict | None:
    """Intake wakes these rows when the contact changes."""
    return None if facts.name else Defer("no_name", facts.too_old_at)


def phone_is_good(facts: Facts) -> Verdict | None:
    """A contact may be mended a minute later, so they wait, unless another medium takes over. Intake wakes them."""
    if facts.bad_phone:
        return Suppress("bad_phone") if facts.has_next_medium else Defer("bad_phone", facts.too_old_at)
    if facts.phone:
        return None
    return Suppress("no_phone") if facts.has_next_medium else Defer("no_phone", facts.too_old_at)


def consent_is_given(facts: Facts) -> Verdict | None:
    """An opt-out beats an opt-in, and the record's no counts even where no yes is needed."""
    if facts.opted_out:
        return Suppress("opted_out")
    may = may_be_asked(facts.opt_in, require_opt_in=facts.rules.require_opt_in)
    return None if may else Suppress("no_opt_in")


def recipient_is_free(facts: Facts) -> Verdict | None:
    """A hold on this number or mailbox is in force until it ends (docs/1msg.md#error-codes: recipient, day, pair)."""
    if facts.held_until is None or facts.now >= facts.held_until:
        return None
    if facts.unreachable:
        return Suppress("unreachable")
    return Defer("recipient_hold", min(facts.held_until, facts.too_old_at))


def not_asked_before(facts: Facts) -> Verdict | None:
    """A late event can move a lapse to another id: a message sent since `last_seen` was about the same silence."""
    if facts.rung_attempted_at is not None and facts.rung_attempted_at > facts.last_seen:
        return Suppress("already_asked")
    return None


def spaced_out(facts: Facts) -> Verdict | None:
    if facts.process_attempted_at is None or facts.shortest_rung is None:
        return None
    next_at = facts.process_attempted_at + facts.shortest_rung
    return Defer("too_soon", next_at) if facts.now < next_at else None


def not_paused(facts: Facts) -> Verdict | None:
    """`lapse resume` wakes these rows."""
    return Defer("paused", facts.too_old_at) if facts.paused else None


def channel_works(facts: Facts) -> Verdict | None:
    """These rows are woken when the circuit breaker closes."""
    return Defer("channel_stopped", facts.too_old_at) if facts.channel_stopped else None


def template_is_usable(facts: Facts) -> Verdict | None:
    """A process that is no longer configured has no template; it may be back after the next start."""
    if facts.template_stopped_until is not None:
        return Defer("template_unusable", facts.template_stopped_until)
    return None if facts.has_plan else Defer("template_unusable", facts.now + 15 * MINUTE)


def marketing_is_delivered(facts: Facts) -> Verdict | None:
    """WhatsApp accepts marketing messages to some countries and does not deliver them."""
    return Suppress("unreachable") if facts.marketing and facts.region in WITHOUT_MARKETING else None


def window_is_open(facts: Facts) -> Verdict | None:
    if facts.opens_at is None or facts.opens_at <= facts.now:
        return None
    return Defer("quiet_hours", min(facts.opens_at, facts.too_old_at))


def under_the_caps(facts: Facts) -> Verdict | None:
    if facts.cap_free_at <= facts.now:
        return None
    return Defer("frequency_cap", min(facts.cap_free_at, facts.too_old_at))


def recipient_quota_is_free(facts: Facts) -> Verdict | None:
    """The channel may write to so many different people within a day; those due first go first."""
    if facts.quota_free_at <= facts.now:
        return None
    return Defer("frequency_cap", min(facts.quota_free_at, facts.too_old_at))


def is_selected(facts: Facts) -> Verdict | None:
    return None if facts.selected else Suppress("not_selected")


def not_held_out(facts: Facts) -> Verdict | None:
    """Near the end of the list, so that those held out are like those who would have got the message."""
    return Suppress("holdout") if facts.held_out else None


def not_a_dry_run(facts: Facts) -> Verdict | None:
    return Suppress("dry_run") if facts.dry_run else None


CHECKS: Sequence[Check] = (
    still_wanted,
    detect_is_fresh,
    contacts_are_fresh,
    not_expired,
    contact_is_known,
    contact_is_readable,
    name_is_known,
    phone_is_good,
    consent_is_given,
    recipient_is_free,
    not_asked_before,
    spaced_out,
    not_paused,
    channel_works,
    template_is_usable,
    marketing_is_delivered,
    window_is_open,
    under_the_caps,
    recipient_quota_is_free,
    is_selected,
    not_held_out,
    not_a_dry_run,
)


def judge(facts: Facts, checks: Sequence[Check] = CHECKS) -> Verdict | None:
    """Return the first objection, or None: the reminder may be sent."""
    return next((verdict for check in checks if (verdict := check(facts)) is not None), None)
