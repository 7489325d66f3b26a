"""Gathers what the checks need: a few queries for a whole batch, then one `Facts` for each row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from consumer.clock import HOUR, Millis
from consumer.deliver.channel.template_status import TemplateStatuses
from consumer.deliver.operations.pauses import covers
from consumer.deliver.policy.checks import CheckRules, Facts
from consumer.deliver.policy.fallback import following_media
from consumer.deliver.policy.frequency_cap import next_allowed
from consumer.deliver.policy.holdout import held_out
from consumer.deliver.policy.message_plan import MessagePlan
from consumer.deliver.policy.personal_text import TextCheck
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.deliver.recipients.identity import email_hash, phone_hash, subjects_of
from consumer.deliver.recipients.opt_outs import LIKELY_OPT_OUT
from consumer.deliver.recipients.person import Person, opens_at, read_people
from consumer.deliver.unit_of_work import Key
from consumer.ledger import queries
from consumer.ledger.queries.attempts import PastAttempt, SentAttempt
from consumer.ledger.queries.recipients import Hold
from consumer.ledger.schema.rows import ReminderRow
from consumer.records import EMAIL, WHATSAPP
from consumer.trace_context import log_fields

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderConfig:
    """The configuration's part in the decisions of a sender. Spans are milliseconds."""

    rules: CheckRules
    plans: Mapping[str, MessagePlan]
    barrier: ContactsBarrier
    templates: TemplateStatuses = field(default_factory=TemplateStatuses)
    """What 1MSG's list says about the templates."""
    default_region: str | None = None
    default_name: str | None = None
    default_zone: str = "UTC"
    holdout: float = 0.0
    """The share of users, from 0 to 1, who get no message, for comparison."""
    text_check: TextCheck = "strict"
    """How strictly names and actions from outside are judged before they go out."""
    dry_run: bool = False
    only_users: frozenset[str] | None = None
    fallback_media: tuple[str, ...] = ()
    """The media that are tried after WhatsApp, in their order."""
    caps: Mapping[Millis, int] = field(default_factory=dict)
    """The most messages to one user, phone or mailbox, by span."""
    unique_recipients: int | None = None
    """The most different phones within 24 hours; None for no limit."""


@dataclass(frozen=True, slots=True)
class _Recipients:
    """Whom the rows of a batch go to, by user, and what of it this transaction could lock; phones and mailboxes are
    hashes."""

    people: Mapping[str, Person]
    phone_of: Mapping[str, str]
    mailbox_of: Mapping[str, str]
    """Of those who would get an e-mail."""
    users: set[str]
    phones: set[str]
    mailboxes: set[str]

    def has_locked(self, user: str) -> bool:
        named = (self.phone_of.get(user), self.phones), (self.mailbox_of.get(user), self.mailboxes)
        return user in self.users and all(each is None or each in locked for each, locked in named)

    def subjects(self) -> dict[str, list[str]]:
        """Return by user what opt-outs, holds and caps know the recipient by."""
        return {user: subjects_of(user, self.phone_of.get(user), self.mailbox_of.get(user)) for user in self.users}


class FactsGatherer:
    """The facts of one batch."""

    def __init__(self, connection: Connection, config: SenderConfig, hash_key: bytes, now: Millis) -> None:
        self._connection = connection
        self._config = config
        self._hash_key = hash_key
        self._now = now

    def facts(self, rows: Sequence[ReminderRow]) -> dict[Key, Facts]:
        """Return the facts of these rows at this moment, by key.

        Rows whose recipient another replica is deciding about are left out. A contact that cannot be read leaves its
        row with `unreadable_contact`; the others are not affected.
        """
        config, no_person = self._config, Person()
        recipients = self._lock_recipients(rows)
        rows = [row for row in rows if recipients.has_locked(row.user_id)]
        if not rows:
            return {}
        subjects = recipients.subjects()
        opted_out = self._opted_out(subjects)
        cap_free_at = self._cap_free_at(recipients)
        attempts = self._past_attempts(rows)
        watermarks = queries.replicas.watermarks(self._connection)
        contacts_read = config.barrier.is_passed(self._connection, self._now)
        holds = self._holds(rows, recipients, subjects)
        paused = queries.pauses.paused_since(self._connection)
        facts = {}
        for row in rows:
            user, plan = row.user_id, config.plans.get(row.process)
            found, hold = recipients.people.get(user), holds.get((user, row.medium))
            person = found or no_person
            if person.error is not None:
                trace = log_fields(row.traceparent)
                log.error("contact_unreadable", reminder_id=row.reminder_id, error=person.error, **trace)
            others = [a for a in attempts.get((user, row.process), ()) if a.reminder_id != row.reminder_id]
            same_rung = [a for a in others if a.remind_after == row.lapse_time - row.last_seen]
            facts[row.key] = Facts(
                now=self._now,
                rules=config.rules,
                lapsed_at=row.lapse_time,
                last_seen=row.last_seen,
                watermark=watermarks.get(row.partition),
                contacts_read=contacts_read,
                returned=row.returned_at is not None,
                completed=row.completed_at is not None,
                superseded=row.superseded_at is not None,
                has_contact=found is not None,
                unreadable_contact=person.error is not None,
                name=person.name or config.default_name,
                phone=person.phone,
                phone_hash=recipients.phone_of.get(user),
                region=person.region,
                bad_phone=person.bad_phone,
                email=person.email,
                email_hash=recipients.mailbox_of.get(user),
                bad_email=person.bad_email,
                has_next_medium=bool(following_media(row.medium, config.fallback_media)),
                opt_in=person.opt_in,
                opted_out=user in opted_out,
                held_until=None if hold is None else hold.until,
                unreachable=hold is not None and hold.unreachable,
                rung_attempted_at=max((each.at for each in same_rung), default=None),
                process_attempted_at=max((each.at for each in others), default=None),
                shortest_rung=None if plan is None else plan.shortest_rung,
                locale=person.locale,
                paused=covers(paused, row.process),
                has_plan=plan is not None,
                cap_free_at=cap_free_at(row, subjects[user]),
                selected=config.only_users is None or user in config.only_users,
                held_out=held_out(user, row.process, config.holdout, self._hash_key),
                dry_run=config.dry_run,
                opens_at=self._opens_at(plan, found),
            )
        return facts

    def _opens_at(self, plan: MessagePlan | None, person: Person | None) -> Millis | None:
        if plan is None or plan.window is None:
            return None
        return opens_at(self._now, plan.window, person, ZoneInfo(self._config.default_zone))

    def _lock_recipients(self, rows: Sequence[ReminderRow]) -> _Recipients:
        """Lock whom these rows go to; the people are read once their users are locked."""
        config = self._config
        users = self._lock({row.user_id for row in rows}, "user")
        people = read_people(
            queries.contacts.by_user(self._connection, users),
            config.default_region,
            with_zones=any(plan.window is not None for plan in config.plans.values()),
            text_check=config.text_check,
        )
        phone_of = {user: phone_hash(each.phone, self._hash_key) for user, each in people.items() if each.phone}
        phones = self._lock(set(phone_of.values()), "phone")
        mailed = {row.user_id for row in rows if row.medium == EMAIL}
        addresses = {user: each.email for user, each in people.items() if user in mailed}
        mailbox_of = {user: email_hash(each, self._hash_key) for user, each in addresses.items() if each}
        mailboxes = self._lock(set(mailbox_of.values()), "email")
        return _Recipients(people, phone_of, mailbox_of, users, phones, mailboxes)

    def _lock(self, ids: set[str], kind: str) -> set[str]:
        """Return those of these users, phones or mailboxes that this transaction could lock."""
        locked = queries.recipients.try_lock(self._connection, {f"{kind}:{each}" for each in ids})
        return {each for each in ids if f"{kind}:{each}" in locked}

    def _cap_free_at(self, recipients: _Recipients) -> Callable[[ReminderRow, Sequence[str]], Millis]:
        """Return a function: from when on a reminder may go to its recipient, who has these subjects.

        An attempt of the same reminder on another medium does not count: it has failed, or this one would not be due.
        """
        caps, to = self._config.caps, recipients
        since = self._now - max(caps, default=0)
        find = queries.attempts.to_recipients_since
        written = find(self._connection, to.users, to.phones, to.mailboxes, since) if caps else []
        by_subject: dict[str, list[SentAttempt]] = {}
        for each in written:
            for subject in subjects_of(each.user_id, each.phone_hash, each.email_hash):
                by_subject.setdefault(subject, []).append(each)

        def cap_free_at(row: ReminderRow, subjects: Sequence[str]) -> Millis:
            to_person = {attempt for subject in subjects for attempt in by_subject.get(subject, ())}
            same = [w for w in to_person if w.reminder_id == row.reminder_id and w.medium != row.medium]
            return next_allowed([w.at for w in to_person.difference(same)], caps)

        return cap_free_at

    def _opted_out(self, subjects: Mapping[str, Sequence[str]]) -> set[str]:
        every = {subject for each in subjects.values() for subject in each}
        opted_out = queries.opt_outs.opted_out_since(self._connection, every)
        return {user for user, each in subjects.items() if not opted_out.keys().isdisjoint(each)}

    def _holds(
        self, rows: Sequence[ReminderRow], to: _Recipients, subjects: Mapping[str, Sequence[str]]
    ) -> dict[tuple[str, str], Hold]:
        """Return by user and medium what holds it back: a likely opt-out before others, else the longest.

        A hold is about what its medium reaches, a phone or a mailbox; a likely opt-out is one for every medium. An
        e-mail is also held by what other accounts with the same mailbox have said.
        """
        mates = self._accounts_with(to.mailbox_of)
        every = {subject for each in (*subjects.values(), *mates.values()) for subject in each}
        kept = {
            medium: queries.recipients.active_holds(self._connection, every, medium, self._now)
            for medium in {WHATSAPP, *(row.medium for row in rows)}
        }
        said_stop = queries.opt_outs.opted_out_since(self._connection, set().union(*mates.values()))
        found: dict[tuple[str, str], Hold] = {}
        for row in rows:
            own, others = subjects[row.user_id], mates.get(row.user_id, set()) if row.medium == EMAIL else set()
            theirs = [hold for subject in own for hold in kept[row.medium].get(subject, ())]
            likely = (hold for subject in (*own, *others) for hold in kept[WHATSAPP].get(subject, ()))
            theirs += [hold for hold in likely if hold.reason == LIKELY_OPT_OUT]
            theirs += [Hold("opted_out", self._now + HOUR, unreachable=False)] if others & said_stop.keys() else []
            if theirs:
                found[row.user_id, row.medium] = max(theirs, key=_weight)
        return found

    def _accounts_with(self, mailbox_of: Mapping[str, str]) -> dict[str, set[str]]:
        """Return by user the subjects of the other users whose contact names the same mailbox."""
        users = queries.contacts.users_with_mailboxes(self._connection, set(mailbox_of.values()))
        return {
            user: {f"user:{each}" for each in users.get(box, ()) if each != user} for user, box in mailbox_of.items()
        }

    def _past_attempts(self, rows: Sequence[ReminderRow]) -> dict[tuple[str, str], list[PastAttempt]]:
        """Return the attempts that may matter to these rows, by (user, process)."""
        rungs = [plan.shortest_rung for plan in self._config.plans.values()]
        since = min(min(row.last_seen for row in rows), self._now - max(rungs, default=0))
        attempts: dict[tuple[str, str], list[PastAttempt]] = {}
        for each in queries.attempts.latest_by_reminder_since(self._connection, {row.user_id for row in rows}, since):
            attempts.setdefault((each.user_id, each.process), []).append(each)
        return attempts


def _weight(hold: Hold) -> tuple[bool, Millis]:
    return hold.reason == LIKELY_OPT_OUT, hold.until
