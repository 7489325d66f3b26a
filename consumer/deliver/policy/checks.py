"""May this reminder go out now? One visible list of small questions, asked in order; the first "no" decides.

Nothing here reads a clock or a database: everything that is asked about is a field of `Facts`. Each check returns
None, or what to do instead of sending and why. `CHECKS` is the list for WhatsApp; `fallback.checks_for` makes those of
other media of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consumer.clock import MINUTE, Millis
from consumer.deliver.lifecycle import Cancel, Defer, Suppress, Verdict
from consumer.onemsg.limits import WITHOUT_MARKETING


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRules:
    """The policy, as far as it decides about a single reminder. Spans in milliseconds."""

    require_opt_in: bool
    expire_after: Millis
    max_staleness: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that is known about one due reminder at `now`. Moments and spans in milliseconds."""

    now: Millis
    rules: CheckRules
    lapsed_at: Millis
    last_seen: Millis
    watermark: Millis | None
    """Up to when detect has heard everything in this reminder's partition; None if it never said."""
    contacts_read: bool
    """Contacts have been read to the end that was seen at start."""
    returned: bool = False
    completed: bool = False
    superseded: bool = False
    has_contact: bool = False
    name: str | None = None
    """Safe to be a template parameter; the default name where the contact has none."""
    phone: str | None = None
    """Digits with country code."""
    region: str | None = None
    """The country of the phone, as ES, where its number says so."""
    bad_phone: bool = False
    """There is a number, and it cannot be one."""
    email: str | None = None
    bad_email: bool = False
    """There is an address, and it cannot be one."""
    arrived: bool = False
    """What another medium carried has arrived after all."""
    opt_in: bool = False
    opted_out: bool = False
    held_until: Millis | None = None
    """Nothing for this recipient before then, whichever process learned of it."""
    unreachable: bool = False
    asked_at: Millis | None = None
    """Latest other attempt for this user, process and step that may have gone out."""
    wrote_at: Millis | None = None
    """Latest other attempt for this user and process that may have gone out."""
    shortest_rung: Millis | None = None
    """Of the process's ladder; None for a process that configuration does not know."""
    locale: str | None = None
    """As the contact has it; nobody has checked that it is one."""
    has_plan: bool = True
    """There are a template and an action to fill it with."""
    template_stopped_until: Millis | None = None
    """When it is tried again whether there is a template that can be sent; None where there is one."""
    marketing: bool = False
    """The template that would be sent counts as marketing (contract §11)."""
    paused: bool = False
    """By an operator: this process, or everything."""
    channel_stopped: bool = False
    allowed_at: Millis = 0
    """From when on one more message keeps the caps."""
    room_at: Millis = 0
    """From when on one more recipient keeps the channel's limit on different ones."""
    selected: bool = True
    """Among the few of a first launch, where there are such."""
    held_out: bool = False
    dry_run: bool = False
    opens_at: Millis | None = None
    """When the recipient's send window opens next, or `now` while it is open; None where none is set."""

    @property
    def too_old_at(self) -> Millis:
        """The first moment at which the lapse is older than `expire_after`."""
        return too_old_at(self.lapsed_at, self.rules)


Check = Callable[[Facts], Verdict | None]


def too_old_at(lapsed_at: Millis, rules: CheckRules) -> Millis:
    """The first moment at which a lapse is older than `expire_after`: at that age exactly it is not."""
    return lapsed_at + rules.expire_after + 1


def is_fresh(clock: Millis | None, now: Millis, rules: CheckRules) -> bool:
    """Whether a partition's clock is young enough to rely on silence."""
    return clock is not None and now - clock < rules.max_staleness


def still_wanted(facts: Facts) -> Verdict | None:
    """A return or a completion may have come while an attempt was under way."""
    if facts.completed:
        return Cancel("completed")
    if facts.returned:
        return Cancel("returned")
    if facts.arrived:
        return Cancel("arrived")
    return Cancel("superseded") if facts.superseded else None


def detect_is_fresh(facts: Facts) -> Verdict | None:
    """Until detect has caught up nobody knows who came back meanwhile. Intake wakes these rows when it has."""
    if facts.contacts_read and is_fresh(facts.watermark, facts.now, facts.rules):
        return None
    # (Past its age it is not expired yet: detect may be about to say that the user returned.)
    return Defer("detect_behind", max(facts.too_old_at, facts.now + MINUTE))


def not_expired(facts: Facts) -> Verdict | None:
    return Suppress("expired") if facts.now >= facts.too_old_at else None


def contact_is_known(facts: Facts) -> Verdict | None:
    """Intake wakes these rows when the contact comes."""
    return None if facts.has_contact else Defer("no_contact", facts.too_old_at)


def name_is_known(facts: Facts) -> Verdict | None:
    return None if facts.name else Suppress("no_name")


def phone_is_good(facts: Facts) -> Verdict | None:
    if facts.bad_phone:
        return Suppress("bad_phone")
    return None if facts.phone else Suppress("no_phone")


def consent_is_given(facts: Facts) -> Verdict | None:
    """An opt-out beats an opt-in."""
    if facts.opted_out:
        return Suppress("opted_out")
    if facts.rules.require_opt_in and not facts.opt_in:
        return Suppress("no_opt_in")
    return None


def recipient_is_free(facts: Facts) -> Verdict | None:
    """A verdict about this number holds, until it is looked at again (contract §10: P-rcpt, DAY, PAIR)."""
    if facts.held_until is None or facts.now >= facts.held_until:
        return None
    return Suppress("unreachable") if facts.unreachable else Defer("recipient_hold", facts.held_until)


def not_asked_before(facts: Facts) -> Verdict | None:
    """A late event can move a lapse to another id: what was written since then was about the same silence."""
    if facts.asked_at is not None and facts.asked_at > facts.last_seen:
        return Suppress("already_asked")
    return None


def spaced_out(facts: Facts) -> Verdict | None:
    if facts.wrote_at is None or facts.shortest_rung is None:
        return None
    next_at = facts.wrote_at + facts.shortest_rung
    return Defer("too_soon", next_at) if facts.now < next_at else None


def not_paused(facts: Facts) -> Verdict | None:
    """`lapse resume` wakes these rows."""
    return Defer("paused", facts.too_old_at) if facts.paused else None


def channel_works(facts: Facts) -> Verdict | None:
    """The sender wakes these rows when a probing send has gone through."""
    return Defer("channel_stopped", facts.too_old_at) if facts.channel_stopped else None


def template_is_usable(facts: Facts) -> Verdict | None:
    """A process that configuration no longer knows has no words; it may be back after the next start."""
    if facts.template_stopped_until is not None:
        return Defer("template_unusable", facts.template_stopped_until)
    return None if facts.has_plan else Defer("template_unusable", facts.now + 15 * MINUTE)


def marketing_is_delivered(facts: Facts) -> Verdict | None:
    """WhatsApp takes marketing to some countries, and does not deliver it."""
    return Suppress("unreachable") if facts.marketing and facts.region in WITHOUT_MARKETING else None


def window_is_open(facts: Facts) -> Verdict | None:
    if facts.opens_at is None or facts.opens_at <= facts.now:
        return None
    return Defer("quiet_hours", min(facts.opens_at, facts.too_old_at))


def under_the_caps(facts: Facts) -> Verdict | None:
    if facts.allowed_at <= facts.now:
        return None
    return Defer("frequency_cap", min(facts.allowed_at, facts.too_old_at))


def there_is_room(facts: Facts) -> Verdict | None:
    """The channel may write to so many different people within a day; the first to be due are the first to go."""
    if facts.room_at <= facts.now:
        return None
    return Defer("frequency_cap", min(facts.room_at, facts.too_old_at))


def is_selected(facts: Facts) -> Verdict | None:
    return None if facts.selected else Suppress("not_selected")


def not_held_out(facts: Facts) -> Verdict | None:
    """Among the last, so that those who are held out are like those who would have got the message."""
    return Suppress("holdout") if facts.held_out else None


def not_a_dry_run(facts: Facts) -> Verdict | None:
    return Suppress("dry_run") if facts.dry_run else None


CHECKS: Sequence[Check] = (
    still_wanted,
    detect_is_fresh,
    not_expired,
    contact_is_known,
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
    there_is_room,
    is_selected,
    not_held_out,
    not_a_dry_run,
)


def judge(facts: Facts, checks: Sequence[Check] = CHECKS) -> Verdict | None:
    """The first objection, or None: send it."""
    return next((verdict for check in checks if (verdict := check(facts)) is not None), None)
