"""Gathers what the checks ask about: a few questions to the ledger for a whole batch, then one `Facts` for each row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from consumer.clock import Millis
from consumer.deliver.channel.template_status import TemplateStatuses
from consumer.deliver.operations.pauses import covers
from consumer.deliver.policy.checks import CheckRules, Facts
from consumer.deliver.policy.frequency_cap import next_allowed
from consumer.deliver.policy.holdout import held_out
from consumer.deliver.policy.message_plan import MessagePlan
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.deliver.recipients.opt_outs import subjects_of
from consumer.deliver.unit_of_work import Key
from consumer.email_address import normalize_email
from consumer.ledger import queries
from consumer.ledger.queries.attempts import PastAttempt, SentAttempt
from consumer.ledger.queries.recipients import Hold
from consumer.ledger.schema.rows import ContactRow, ReminderRow
from consumer.onemsg.phone import Phone, PhoneProblem, normalize_phone
from consumer.onemsg.templates.parameters import safe_parameter
from consumer.send_window import Window, common_opening, next_opening, zone_of

Reach: TypeAlias = Phone | PhoneProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderConfig:
    """What a sender knows besides the ledger: the configuration's part in its decisions."""

    rules: CheckRules
    plans: Mapping[str, MessagePlan]
    barrier: ContactsBarrier
    templates: TemplateStatuses = field(default_factory=TemplateStatuses)
    """What 1MSG's list says of the templates."""
    default_region: str | None = None
    default_name: str | None = None
    default_zone: str = "UTC"
    holdout: float = 0.0
    """The share of users, from 0 to 1, who get nothing so that others can be compared with them."""
    dry_run: bool = False
    only_users: frozenset[str] | None = None
    caps: Mapping[Millis, int] = field(default_factory=dict)
    """The most messages to one user or phone, by span."""
    unique_recipients: int | None = None
    """The most different phones within 24 hours; None for no limit of ours."""


class FactsGatherer:
    """One batch's facts."""

    def __init__(self, connection: Connection, known: SenderConfig, hash_key: bytes, now: Millis) -> None:
        self._connection = connection
        self._known = known
        self._hash_key = hash_key
        self._now = now

    def facts(self, rows: Sequence[ReminderRow]) -> dict[Key, Facts]:
        """What is known about these rows at this moment, by key.

        Rows about whose recipient another replica is deciding are not among them.
        """
        users = self._mine({row.user_id for row in rows}, "user")
        contacts = queries.contacts.by_user(self._connection, users)
        region = self._known.default_region
        reach = {user: normalize_phone(contact.phone, region) for user, contact in contacts.items()}
        phones = self._mine({digits for each in reach.values() if (digits := _digits(each))}, "phone")
        rows = [r for r in rows if r.user_id in users and _digits(reach.get(r.user_id)) in {None, *phones}]
        if not rows:
            return {}
        out = self._opted_out(users, reach)
        allowed = self._allowed(users, phones)
        wrote = self._writes(rows)
        clocks = queries.replicas.watermarks(self._connection)
        read = self._known.barrier.is_passed(self._connection)
        held = self._held(reach)
        paused = queries.pauses.paused_since(self._connection)
        found = {}
        for row in rows:
            contact, plan = contacts.get(row.user_id), self._known.plans.get(row.process)
            hold = held.get(row.user_id)
            before = [w for w in wrote.get((row.user_id, row.process), ()) if w.reminder_id != row.reminder_id]
            found[row.key] = Facts(
                now=self._now,
                rules=self._known.rules,
                lapsed_at=row.last_seen if row.lapsed_at is None else row.lapsed_at,
                last_seen=row.last_seen,
                watermark=clocks.get(row.partition),
                contacts_read=read,
                returned=row.returned_at is not None,
                completed=row.completed_at is not None,
                superseded=row.superseded_at is not None,
                has_contact=contact is not None,
                name=self._name(contact),
                phone=_digits(reach.get(row.user_id)),
                region=_region(reach.get(row.user_id)),
                bad_phone=_is_bad(reach.get(row.user_id)),
                email=normalize_email(contact.email) if contact and contact.email else None,
                bad_email=bool(
                    contact and contact.email and contact.email.strip() and not normalize_email(contact.email)
                ),
                opt_in=contact is not None and contact.opt_in,
                opted_out=row.user_id in out,
                held_until=None if hold is None else hold.until,
                unreachable=hold is not None and hold.unreachable,
                asked_at=max((w.at for w in before if w.step == row.step), default=None),
                wrote_at=max((w.at for w in before), default=None),
                shortest_rung=None if plan is None else plan.shortest_rung,
                locale=None if contact is None else contact.locale,
                paused=covers(paused, row.process),
                has_plan=plan is not None,
                allowed_at=allowed(row, _digits(reach.get(row.user_id))),
                selected=self._known.only_users is None or row.user_id in self._known.only_users,
                held_out=held_out(row.user_id, row.process, self._known.holdout, self._hash_key),
                dry_run=self._known.dry_run,
                opens_at=self._opens_at(plan, contact, reach.get(row.user_id)),
            )
        return found

    def _name(self, contact: ContactRow | None) -> str | None:
        return (safe_parameter(contact.name) if contact else None) or self._known.default_name

    def _opens_at(self, plan: MessagePlan | None, contact: ContactRow | None, reach: Reach | None) -> Millis | None:
        if plan is None or plan.window is None:
            return None
        default = ZoneInfo(self._known.default_zone)
        return opens_at(self._now, plan.window, None if contact is None else contact.timezone, reach, default)

    def _mine(self, names: set[str], kind: str) -> set[str]:
        taken = queries.recipients.try_lock(self._connection, {f"{kind}:{name}" for name in names})
        return {name for name in names if f"{kind}:{name}" in taken}

    def _allowed(self, users: set[str], phones: set[str]) -> Callable[[ReminderRow, str | None], Millis]:
        """From when on this reminder may go to its user, who has that phone.

        What was tried for the same reminder on another medium has failed, or nobody would ask.
        """
        caps = self._known.caps
        since = self._now - max(caps, default=0)
        written = queries.attempts.to_users_or_phones_since(self._connection, users, phones, since) if caps else []
        by_user: dict[str, list[SentAttempt]] = {}
        by_phone: dict[str | None, list[SentAttempt]] = {}
        for each in written:
            by_user.setdefault(each.user_id, []).append(each)
            by_phone.setdefault(each.phone, []).append(each)

        def allowed(row: ReminderRow, phone: str | None) -> Millis:
            them = {*by_user.get(row.user_id, []), *(by_phone.get(phone, []) if phone else [])}
            same = [w for w in them if w.reminder_id == row.reminder_id and w.medium != row.medium]
            return next_allowed([w.at for w in them.difference(same)], caps)

        return allowed

    def _opted_out(self, users: set[str], reach: Mapping[str, Reach]) -> set[str]:
        subjects = {user: subjects_of(user, _digits(reach.get(user)), self._hash_key) for user in users}
        every = {subject for each in subjects.values() for subject in each}
        out = queries.opt_outs.opted_out_subjects(self._connection, every, "whatsapp")
        return {user for user, each in subjects.items() if not out.isdisjoint(each)}

    def _held(self, reach: Mapping[str, Reach]) -> dict[str, Hold]:
        """By user: a verdict about the number."""
        subjects = {user: subjects_of(None, _digits(each), self._hash_key) for user, each in reach.items()}
        every = {subject for each in subjects.values() for subject in each}
        held = queries.recipients.active_holds(self._connection, every, "whatsapp", self._now)
        return {user: held[each[0]] for user, each in subjects.items() if each and each[0] in held}

    def _writes(self, rows: Sequence[ReminderRow]) -> dict[tuple[str, str], list[PastAttempt]]:
        """Attempts that may matter to these rows, by (user, process)."""
        spans = [plan.shortest_rung for plan in self._known.plans.values()]
        since = min(min(row.last_seen for row in rows), self._now - max(spans, default=0))
        users = {row.user_id for row in rows}
        wrote: dict[tuple[str, str], list[PastAttempt]] = {}
        for each in queries.attempts.latest_by_reminder_since(self._connection, users, since):
            wrote.setdefault((each.user_id, each.process), []).append(each)
        return wrote


def opens_at(now: Millis, window: Window, zone: str | None, reach: Reach | None, default: ZoneInfo) -> Millis:
    """When this window opens next for somebody: in the zone they have named, or else in that of their phone.

    A phone that can be in several zones is written to when it is open in all of them. Where they have no such moment
    in common (the country is too wide), and where nothing is known, `default` decides.
    """
    named = zone_of(zone)
    if named is not None:
        return next_opening(now, named, window)
    zones = [found for name in reach.zones if (found := zone_of(name))] if isinstance(reach, Phone) else []
    common = common_opening(now, zones, window) if zones else None
    return next_opening(now, default, window) if common is None else common


def _digits(reach: Reach | None) -> str | None:
    return reach.digits if isinstance(reach, Phone) else None


def _region(reach: Reach | None) -> str | None:
    return reach.region if isinstance(reach, Phone) else None


def _is_bad(reach: Reach | None) -> bool:
    return isinstance(reach, PhoneProblem) and reach.reason == "bad_phone"
