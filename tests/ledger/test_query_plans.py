"""No query reads a large table from one end to the other, in either database.

Each function of the queries is called on a ledger with a long history, and the plan of every statement that it runs is
looked at just before. A new function needs a line in CALLS; one that has to read everything stands in READS_EVERYTHING.
"""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.engine.interfaces import DBAPICursor

from consumer.ledger import queries
from consumer.ledger.queries.channels import FailureStreak
from consumer.ledger.queries.inbox import ParkedReport
from consumer.ledger.queries.operating.journal import Actor
from consumer.ledger.queries.operating.selections import UnresolvedSelection, WaitingSelection
from consumer.ledger.queries.opt_outs import StoredOptOut
from consumer.ledger.queries.recipients import Hold
from consumer.ledger.queries.replicas import DetectStanding
from consumer.ledger.queries.reporting.people import EpisodeSelection
from consumer.ledger.queries.whatsapp_ids import UnattributedRequest
from consumer.ledger.schema import identity_tables, tables
from consumer.ledger.schema.channel_tables import holds
from consumer.ledger.schema.episode_tables import episodes
from consumer.ledger.schema.rows import ChannelRow, ReminderRow
from consumer.ledger.store import Ledger

from . import databases
from .history import add_delivered, fill

SOME, MANY = 50, 20_000
FIRST, APART = 1_000_000, 1_000
NOW = FIRST + MANY * APART
RECENT, OLD = NOW - SOME * APART, FIRST + SOME * APART
AT = f"({FIRST} + n * {APART})"
USERS = [f"user-{n}" for n in range(10)]
IDS = [f"old-{n}" for n in range(10)]
PHONES = [f"hash-{n}" for n in range(10)]
WHATSAPP_IDS = [f"id-{n}" for n in range(10)]
SUBJECTS = [f"user:user-{n}" for n in range(10)]
OPT_OUTS = [StoredOptOut(each, "whatsapp", "opted_out", "webhook", 10) for each in SUBJECTS]
LARGE = {
    *("reminders", "attempts", "contacts", "opt_outs", "holds", "webhook_bodies", "parked_reports"),
    *("inbound_messages", "echoes", "outbox", "opt_out_outbox", "whatsapp_ids", "unattributed_requests"),
    "episodes",
}
INDEXES = {str(i.name): i for name in LARGE for i in tables.metadata.tables[name].indexes}
PARTIAL = {name for name, index in INDEXES.items() if index.dialect_kwargs}


def reminder(connection: Connection, reminder_id: str = "old-7") -> ReminderRow:
    return queries.reminders.lock_by_ids(connection, [reminder_id])[0]


def update_one(connection: Connection) -> None:
    row = reminder(connection)
    queries.reminders.update_rows(connection, [(row, row._replace(status="read", updated_at=NOW))])


def insert_one(connection: Connection) -> None:
    queries.reminders.insert_rows(connection, [reminder(connection)._replace(reminder_id="new")])


def record_outcome(connection: Connection) -> None:
    outcome = {"key": ("old-7", "whatsapp"), "number": 1, "outcome": "accepted", "finished_at": NOW}
    queries.attempts.record_outcomes(connection, [outcome])


NEW_ATTEMPT = {
    "reminder_id": "old-7", "medium": "whatsapp", "number": 2, "user_id": "user-7", "process": "account-setup",
    "step": 0, "started_at": NOW, "outcome": "sending", "may_have_been_sent": True,
}  # fmt: skip
NEW_CONTACT = {
    "user_id": "user-7", "name": None, "phone": None, "locale": None, "timezone": None, "email": None, "opt_in": True,
    "updated_at": NOW, "declined_at": None, "erased": False, "source_partition": 0, "source_offset": MANY + 1,
    "phone_hash": None,
}  # fmt: skip
NEW_TRANSITION = {
    "reminder_id": "old-7", "medium": "whatsapp", "sequence": 3, "user_id": "user-7", "process": "account-setup",
    "step": 0, "status": "read", "final": True, "source": "webhook", "occurred_at": NOW, "recorded_at": NOW,
}  # fmt: skip
NEW_EPISODE = {
    "user_id": "user-7", "process": "account-setup", "began_at": NOW, "noticed_at": NOW, "step": 0,
}  # fmt: skip
EPISODE = {"key_user": "user-7", "key_process": "account-setup", "key_began": FIRST + 7 * APART}
DECIDED = {"decision": "sent", "reason": None, "decided_at": NOW, "step": 0, "first_sent_at": NOW}
NEW_INBOUND = {"message_id": "in", "kind": "text", "received_at": NOW}
NEW_ECHO = {
    "message_id": "seen", "phone_hash": "hash-7", "text_hash": "text-7", "at": NOW, "source": "echo",
    "received_at": NOW,
}  # fmt: skip
PARKED = ParkedReport("other", "delivered", NOW, None, None, "webhook", NOW)
ASKED = UnattributedRequest("id-7", "stop", "asked_to_stop", NOW)
STREAK = FailureStreak("whatsapp", "answer", "[]", "[]", NOW)
HOLD = Hold("not_on_whatsapp", NOW, unreachable=True)
PEOPLE = EpisodeSelection(since=RECENT, until=NOW, process="account-setup", reason="holdout")
WAITING = WaitingSelection(until=NOW, reason="no_contact", process="account-setup")
ONE, SPAN = UnresolvedSelection(reminder_id="old-7"), UnresolvedSelection(since=RECENT, until=NOW)

s, g = queries.operating.selections, queries.reporting.console
r, a, c, i, o = queries.reminders, queries.attempts, queries.contacts, queries.inbox, queries.outbox
CALLS: dict[str, Callable[[Connection], object]] = {
    "reminders.oldest_due": lambda to: r.oldest_due(to, "whatsapp", NOW),
    "reminders.oldest_due of all media": lambda to: r.oldest_due(to, None, NOW),
    "reminders.any_due": lambda to: r.any_due(to, "whatsapp", NOW),
    "reminders.lock_due": lambda to: r.lock_due(to, "whatsapp", NOW, 100),
    "reminders.lock_expired_leases": lambda to: r.lock_expired_leases(to, NOW, 100),
    "reminders.lock_unknown_since": lambda to: r.lock_unknown_since(to, NOW, 100),
    "reminders.lock_quiet_since": lambda to: r.lock_quiet_since(to, "whatsapp", NOW, 100),
    "reminders.any_fallback_due": lambda to: r.any_fallback_due(to, NOW),
    "reminders.lock_fallback_due": lambda to: r.lock_fallback_due(to, NOW, 100),
    "reminders.any_deferred": lambda to: r.any_deferred(to, "whatsapp", "no_contact"),
    "sequences.first_sequence": queries.sequences.first_sequence,
    "sequences.put_first_sequence": lambda to: queries.sequences.put_first_sequence(to, 1),
    "reminders.lock_next_probe": lambda to: r.lock_next_probe(to, "whatsapp", "no_contact", NOW, 10),
    "reminders.lock_by_ids": lambda to: r.lock_by_ids(to, IDS),
    "reminders.lock_related": lambda to: r.lock_related(to, USERS, OLD, ["planned", "unknown"]),
    "reminders.lock_unsent": lambda to: r.lock_unsent(to, 500),
    "reminders.lock_unsent_on_other_media": lambda to: r.lock_unsent_on_other_media(to, ["whatsapp"], 100),
    "reminders.mark_superseded_until_requested": lambda to: r.mark_superseded_until_requested(to, 1, NOW, 100),
    "reminders.on_all_media": lambda to: r.on_all_media(to, IDS),
    "reminders.ids_with_later_lapse": lambda to: r.ids_with_later_lapse(to, [reminder(to)]),
    "reminders.insert_rows": insert_one,
    "reminders.update_rows": update_one,
    "reminders.put_off": lambda to: r.put_off(to, ("reminder-7", "whatsapp"), NOW),
    "reminders.wake_deferred": lambda to: r.wake_deferred(to, "no_contact"),
    "reminders.wake_deferred medium": lambda to: r.wake_deferred(to, "no_contact", medium="whatsapp"),
    "reminders.wake_deferred users": lambda to: r.wake_deferred(to, "no_contact", "no_name", users=USERS),
    "reminders.wake_deferred partitions": lambda to: r.wake_deferred(
        to, "detect_behind", "contacts_behind", partitions={1, 2}
    ),
    "reminders.wake_deferred process": lambda to: r.wake_deferred(to, "no_contact", process="account-setup"),
    "selections.lock_unresolved one": lambda to: s.lock_unresolved(to, ONE, 100),
    "selections.lock_unresolved span": lambda to: s.lock_unresolved(to, SPAN, 100),
    "selections.count_others_by_status one": lambda to: s.count_others_by_status(to, ONE),
    "selections.count_others_by_status span": lambda to: s.count_others_by_status(to, SPAN),
    "selections.lock_waiting": lambda to: s.lock_waiting(to, WAITING, 100),
    "selections.lock_waiting all": lambda to: s.lock_waiting(to, WaitingSelection(until=NOW), 100),
    "selections.count_waiting": lambda to: s.count_waiting(to, WAITING),
    "selections.count_unresolved": lambda to: s.count_unresolved(to, SPAN),
    "selections.selected": lambda to: s.selected(SPAN),
    "journal.add": lambda to: queries.operating.journal.add(to, NOW, Actor("ana", "console"), "pause"),
    "journal.latest": lambda to: queries.operating.journal.latest(to, 50, before=10, action="pause"),
    "reminders.count_in_doubt": r.count_in_doubt,
    "reminders.lock_removable": lambda to: r.lock_removable(to, OLD, ["delivered", "read"], 200),
    "reminders.delete_with_history": lambda to: r.delete_with_history(to, [(name, "whatsapp") for name in IDS]),
    "attempts.insert_rows": lambda to: a.insert_rows(to, [NEW_ATTEMPT]),
    "attempts.missing": lambda to: a.missing(to, [("old-7", "whatsapp", 1), ("new", "whatsapp", 1)]),
    "attempts.record_outcomes": record_outcome,
    "attempts.reminders_by_message_id": lambda to: a.reminders_by_message_id(to, ["wamid.old.7"]),
    "attempts.without_message_id": lambda to: a.without_message_id(to, "whatsapp", RECENT, NOW, "ledger_restored"),
    "attempts.latest_by_reminder_since": lambda to: a.latest_by_reminder_since(to, USERS, RECENT),
    "attempts.to_recipients_since": lambda to: a.to_recipients_since(to, USERS, PHONES, PHONES, RECENT),
    "attempts.phone_hashes_of": lambda to: a.phone_hashes_of(to, ["old-7", "old-8"]),
    "attempts.mailbox_of": lambda to: a.mailbox_of(to, ("reminder-7", "whatsapp"), 1),
    "attempts.users_of_phone_since": lambda to: a.users_of_phone_since(to, "hash-7", RECENT),
    "attempts.phone_hashes_by_message_id": lambda to: a.phone_hashes_by_message_id(to, ["wamid.old.7"]),
    "attempts.message_ids_to": lambda to: a.message_ids_to(to, USERS),
    "attempts.replace_message_ids": lambda to: a.replace_message_ids(to, {("user-7", "wamid.old.7"): "erased:1"}),
    "attempts.lock_recipient_count": a.lock_recipient_count,
    "attempts.count_phones_since": lambda to: a.count_phones_since(to, RECENT),
    "attempts.phones_written_since": lambda to: a.phones_written_since(to, PHONES, RECENT),
    "attempts.earliest_last_sends": lambda to: a.earliest_last_sends(to, RECENT, 10),
    "contacts.by_user": lambda to: c.by_user(to, USERS),
    "replicas.topic_id": lambda to: queries.replicas.topic_id(to, "contacts"),
    "replicas.put_topic_id": lambda to: queries.replicas.put_topic_id(to, "contacts", "id"),
    "replicas.read_again": lambda to: queries.replicas.read_again(to, "contacts", {0: 1}),
    "contacts.consents": lambda to: queries.contacts.consents(to, USERS),
    "contacts.users_with_phones": lambda to: c.users_with_phones(to, {"hash-7", "hash-8"}),
    "contacts.users_with_same_mailbox": lambda to: c.users_with_same_mailbox(to, USERS),
    "contacts.users_with_mailboxes": lambda to: c.users_with_mailboxes(to, {"hash-7", "hash-8"}),
    "contacts.upsert_newer": lambda to: c.upsert_newer(to, [NEW_CONTACT]),
    "contacts.phones_ever_used": lambda to: c.phones_ever_used(to, USERS),
    "contacts.erased_users": lambda to: c.erased_users(to, USERS),
    "contacts.clear_sent_phones": lambda to: c.clear_sent_phones(to, USERS),
    "recipients.try_lock": lambda to: queries.recipients.try_lock(to, USERS),
    "recipients.extend_holds": lambda to: queries.recipients.extend_holds(to, SUBJECTS, "whatsapp", HOLD),
    "recipients.active_holds": lambda to: queries.recipients.active_holds(to, SUBJECTS, "whatsapp", NOW),
    "recipients.any_unreachable": queries.recipients.any_unreachable,
    "recipients.held_until": lambda to: queries.recipients.held_until(to, SUBJECTS, "whatsapp", "likely_opt_out"),
    "recipients.delete_holds": lambda to: queries.recipients.delete_holds(to, SUBJECTS, "whatsapp", "likely_opt_out"),
    "recipients.delete_unreachable_holds": lambda to: queries.recipients.delete_unreachable_holds(
        to, SUBJECTS, "whatsapp"
    ),
    "recipients.delete_expired_holds": lambda to: queries.recipients.delete_expired_holds(to, OLD),
    "opt_outs.opted_out_since": lambda to: queries.opt_outs.opted_out_since(to, SUBJECTS),
    "opt_outs.in_force": lambda to: queries.opt_outs.in_force(to, SUBJECTS),
    "opt_outs.record": lambda to: queries.opt_outs.record(to, OPT_OUTS),
    "opt_outs.page": lambda to: queries.opt_outs.page(to, ("user:user-7", "whatsapp"), 500),
    "opt_outs.journal": lambda to: queries.opt_outs.journal(to, ["user:user-7"], "add", "why", NOW),
    "opt_outs.journal_of": lambda to: queries.opt_outs.journal_of(to, SUBJECTS),
    "opt_outs.erase_journal": lambda to: queries.opt_outs.erase_journal(to, SUBJECTS),
    "opt_outs.record_opt_in": lambda to: queries.opt_outs.record_opt_in(to, SUBJECTS, "whatsapp", "webhook", NOW),
    "opt_outs.opted_in_at": lambda to: queries.opt_outs.opted_in_at(to, SUBJECTS[0]),
    "opt_outs.lift": lambda to: queries.opt_outs.lift(to, SUBJECTS, NOW),
    "whatsapp_ids.phone_hashes": lambda to: queries.whatsapp_ids.phone_hashes(to, WHATSAPP_IDS),
    "whatsapp_ids.insert_pairs": lambda to: queries.whatsapp_ids.insert_pairs(to, [("id-7", "hash-8")]),
    "whatsapp_ids.keep_request": lambda to: queries.whatsapp_ids.keep_request(to, ASKED),
    "whatsapp_ids.any_request": lambda to: queries.whatsapp_ids.any_request(to, WHATSAPP_IDS, "start"),
    "whatsapp_ids.pop_requests": lambda to: queries.whatsapp_ids.pop_requests(to, WHATSAPP_IDS),
    "inbox.store_bodies": lambda to: i.store_bodies(to, [b"{}"], NOW),
    "inbox.lock_unapplied_bodies": lambda to: i.lock_unapplied_bodies(to, [i.Body(n, b"", 0) for n in range(1, 100)]),
    "inbox.unapplied_bodies": lambda to: i.unapplied_bodies(to, 100),
    "inbox.delete_bodies": lambda to: i.delete_bodies(to, range(1, 10)),
    "inbox.mark_body_kept": lambda to: i.mark_body_kept(to, 7, "unreadable"),
    "inbox.park_reports": lambda to: i.park_reports(to, [PARKED]),
    "inbox.pop_parked_reports": lambda to: i.pop_parked_reports(to, ["wamid.other.7", "wamid.other.8"]),
    "inbox.known_messages_with_parked_reports": lambda to: i.known_messages_with_parked_reports(to, RECENT, 100),
    "inbox.delete_parked_and_kept_before": lambda to: i.delete_parked_and_kept_before(to, OLD),
    "inbox.store_inbound": lambda to: i.store_inbound(to, [NEW_INBOUND]),
    "inbox.delete_inbound_before": lambda to: i.delete_inbound_before(to, OLD, 200),
    "inbox.delete_inbound_but_latest": lambda to: i.delete_inbound_but_latest(to, ["hash-7", "hash-8"], 5),
    "inbox.delete_inbound_from_phones": lambda to: i.delete_inbound_from_phones(to, ["hash-7", "hash-8"]),
    "inbox.store_echoes": lambda to: i.store_echoes(to, [NEW_ECHO]),
    "inbox.unclaimed_echoes": lambda to: i.unclaimed_echoes(to, PHONES),
    "inbox.delete_echoes_to": lambda to: i.delete_echoes_to(to, ["hash-7", "hash-8"]),
    "inbox.delete_echoes_before": lambda to: i.delete_echoes_before(to, OLD),
    "reminders.clear_traces": lambda to: r.clear_traces(to, ["user-7"]),
    "outbox.clear_message_ids": lambda to: o.clear_message_ids(to, ["user-7"]),
    "outbox.insert_transitions": lambda to: o.insert_transitions(to, [NEW_TRANSITION]),
    "outbox.unpublished_transitions": lambda to: o.unpublished_transitions(to, 100),
    "outbox.mark_published of transitions": lambda to: o.mark_published(to, o.TRANSITIONS, range(1, 10)),
    "outbox.mark_published of opt-outs": lambda to: o.mark_published(to, o.OPT_OUTS, range(1, 10)),
    "outbox.count of transitions": lambda to: o.count(to, o.TRANSITIONS),
    "outbox.count of opt-outs": lambda to: o.count(to, o.OPT_OUTS),
    "outbox.set_aside of transitions": lambda to: o.set_aside(to, o.TRANSITIONS, 1, "MSG_SIZE_TOO_LARGE"),
    "outbox.set_aside of opt-outs": lambda to: o.set_aside(to, o.OPT_OUTS, 1, "MSG_SIZE_TOO_LARGE"),
    "outbox.forget_refused of transitions": lambda to: o.forget_refused(to, o.TRANSITIONS),
    "outbox.forget_refused of opt-outs": lambda to: o.forget_refused(to, o.OPT_OUTS),
    "outbox.insert_opt_outs": lambda to: o.insert_opt_outs(to, SUBJECTS, "whatsapp", "opted_out", "webhook", NOW),
    "outbox.unpublished_opt_outs": lambda to: o.unpublished_opt_outs(to, 100),
    "outbox.delete_published_opt_outs": lambda to: o.delete_published_opt_outs(to, OLD, 200),
    "channels.states": lambda to: queries.channels.states(to, "whatsapp", lock=True),
    "channels.all_states": queries.channels.all_states,
    "channels.put_state": lambda to: queries.channels.put_state(to, ChannelRow("whatsapp")),
    "channels.rate_limit": lambda to: queries.channels.rate_limit(to, "whatsapp", lock=True),
    "channels.set_rate_used_until": lambda to: queries.channels.set_rate_used_until(to, "whatsapp", NOW),
    "channels.hold_rate_until": lambda to: queries.channels.hold_rate_until(to, "whatsapp", NOW),
    "channels.lock_failure_streaks": lambda to: queries.channels.lock_failure_streaks(to, "whatsapp", "answer"),
    "channels.put_failure_streak": lambda to: queries.channels.put_failure_streak(to, STREAK),
    "channels.delete_failure_streak": lambda to: queries.channels.delete_failure_streak(to, "whatsapp", "answer"),
    "replicas.lock_facts_shared": queries.replicas.lock_facts_shared,
    "replicas.lock_facts_exclusive": queries.replicas.lock_facts_exclusive,
    "replicas.delete_watermark": lambda to: queries.replicas.delete_watermark(to, 1),
    "replicas.try_advisory_lock": lambda to: queries.replicas.try_advisory_lock(to, "retention"),
    "replicas.watermarks": queries.replicas.watermarks,
    "replicas.detect_standings": queries.replicas.detect_standings,
    "replicas.advance_watermarks": lambda to: queries.replicas.advance_watermarks(to, {0: DetectStanding(NOW)}, NOW),
    "replicas.next_offsets": lambda to: queries.replicas.next_offsets(to, "reminders"),
    "replicas.advance_offsets": lambda to: queries.replicas.advance_offsets(to, "reminders", {0: 1}),
    "replicas.doubtful_offsets": lambda to: queries.replicas.doubtful_offsets(to, "reminders"),
    "replicas.put_doubtful_offsets": lambda to: queries.replicas.put_doubtful_offsets(to, "reminders", {0: 1}),
    "replicas.acquire_lease": lambda to: queries.replicas.acquire_lease(to, "publish", "one", NOW, NOW + 1),
    "replicas.lease_until": lambda to: queries.replicas.lease_until(to, "publish"),
    "replicas.release_lease": lambda to: queries.replicas.release_lease(to, "publish", "one"),
    "pauses.paused_since": queries.pauses.paused_since,
    "pauses.pause": lambda to: queries.pauses.pause(to, "account-setup", NOW),
    "pauses.resume": lambda to: queries.pauses.resume(to, "account-setup"),
    "episodes.begin": lambda to: queries.episodes.begin(to, [NEW_EPISODE]),
    "episodes.decide": lambda to: queries.episodes.decide(to, [EPISODE | DECIDED]),
    "episodes.end": lambda to: queries.episodes.end(to, "returned_at", [EPISODE | {"at": NOW}]),
    "episodes.counts": lambda to: queries.episodes.counts(to, RECENT, NOW, "account-setup"),
    "episodes.arms": lambda to: queries.episodes.arms(to, RECENT, NOW, "account-setup", over_before=NOW),
    "episodes.fold": lambda to: queries.episodes.fold(to, OLD, 200),
    "people.with_decision": lambda to: queries.reporting.people.with_decision(to, PEOPLE, 20),
    "people.anything_of": lambda to: queries.reporting.people.anything_of(to, "user-7"),
    "backtests.put": lambda to: queries.reporting.backtests.put(to, NOW, "{}"),
    "backtests.latest": lambda to: queries.reporting.backtests.latest(to),
    "history.user_of_reminder": lambda to: queries.reporting.history.user_of_reminder(to, "old-7"),
    "history.user_of_message": lambda to: queries.reporting.history.user_of_message(to, "wamid.old.7"),
    "history.reminders_of": lambda to: queries.reporting.history.reminders_of(to, "user-7", "account-setup", 100),
    "history.attempts_of": lambda to: queries.reporting.history.attempts_of(to, IDS),
    "history.transitions_of": lambda to: queries.reporting.history.transitions_of(to, IDS),
    "report.failures": lambda to: queries.reporting.report.failures(to, RECENT, NOW, "account-setup"),
    "report.delivered": lambda to: queries.reporting.report.delivered(to, RECENT, NOW, "account-setup"),
    "report.funnel": lambda to: queries.reporting.report.funnel(to, RECENT, NOW, "account-setup"),
    "console.latest_in_doubt": lambda to: g.latest_in_doubt(to, 20),
    "console.latest_in_doubt some": lambda to: g.latest_in_doubt(to, 20, SPAN),
    "console.stopped_channels": g.stopped_channels,
    "console.waiting_counts": g.waiting_counts,
    "console.latest_transitions": lambda to: g.latest_transitions(to, 20),
    "console.held_people": lambda to: g.held_people(to, "likely_opt_out", RECENT, 20),
    "console.held_person": lambda to: g.held_person(to, "some", "phone:7", "whatsapp", FIRST),
    "console.count_held": lambda to: g.count_held(to, "likely_opt_out", RECENT),
}
READS_EVERYTHING = {
    *("history.all_sends", "report.lapse_to_send"),
    *("contacts.forget_offsets", "sequences.raise_sequences"),
    *("inbox.count_parked_reports", "inbox.delete_bodies_containing"),
}
"""Counts for a page or a report that somebody opens, and of a table that is emptied every day; all bodies that were
kept, when somebody is erased."""


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def connection(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A transaction on a ledger with a long history, which no test commits."""
    ledger = Ledger(databases.empty(request.param, tmp_path_factory.mktemp("ledger"), request))
    try:
        with ledger.transaction() as loading:
            load(loading)
        ledger.analyze_new_tables()
        with ledger.transaction() as connection:
            yield connection
            connection.rollback()
    finally:
        ledger.close()


def load(connection: Connection) -> None:
    add_delivered(connection, MANY, first=FIRST, apart=APART)
    _load_waiting(connection)
    _load_people(connection)
    _load_inbox(connection)
    _load_episodes(connection)
    opt_out = {"subject": "'user:user-' || n", "medium": "'whatsapp'", "reason": "'opted_out'", "occurred_at": AT}
    for published, count in (("true", MANY), ("false", SOME)):
        fill(connection, tables.opt_out_outbox, count, opt_out | {"published": published})
    connection.execute(text(f"UPDATE outbox SET published = false WHERE id <= {SOME}"))


def _load_episodes(connection: Connection) -> None:
    silence = {"user_id": "'user-' || n", "process": "'account-setup'", "began_at": AT, "noticed_at": AT}
    decided = {"step": "0", "decision": "'sent'", "decided_at": AT, "first": "true", "first_sent_at": AT}
    fill(connection, episodes, MANY, silence | decided)


def _load_waiting(connection: Connection) -> None:
    plain = dict.fromkeys(("step", "partition", "polls", "sequence", "attempts", "counted_attempts"), "0")
    plain |= {"medium": "'whatsapp'", "process": "'account-setup'"}
    plain |= dict.fromkeys(("last_seen", "lapsed_at", "occurred_at", "attempted_at", "created_at", "updated_at"), AT)
    for status, moments in {
        "planned": ["due_at"],
        "deferred": ["due_at"],
        "sending": ["lease_until"],
        "unknown": ["unknown_since", "quiet_since"],
        "accepted": ["quiet_since"],
        "failed": ["fallback_at"],
        "unresolved": [],
    }.items():
        key = {"reminder_id": f"'{status}-' || n", "user_id": f"'{status}-' || n", "status": f"'{status}'"}
        reason = {"reason": "'no_contact'" if status == "deferred" else "NULL"}
        fill(connection, tables.reminders, SOME, plain | key | reason | dict.fromkeys(moments, AT))


def _load_people(connection: Connection) -> None:
    agrees = {"opt_in": "true", "erased": "false", "source_partition": "0", "source_offset": "n"}
    fill(connection, tables.contacts, MANY, {"user_id": "'user-' || n", "phone_hash": "'hash-' || n"} | agrees)
    verdict = {"medium": "'whatsapp'", "reason": "'some'"}
    fill(connection, tables.opt_outs, MANY, {"subject": "'user:user-' || n", "occurred_at": AT} | verdict)
    known = {"id_hash": "'id-' || n", "phone_hash": "'hash-' || n"}
    fill(connection, identity_tables.whatsapp_ids, MANY, known)
    asked = {"id_hash": "'id-' || n", "request": "'stop'", "reason": "'asked_to_stop'", "at": AT}
    fill(connection, identity_tables.unattributed_requests, MANY, asked)
    held = verdict | {"subject": "'phone:' || n", "until": AT, "unreachable": f"n < {SOME}"}
    fill(connection, holds, MANY, held)


def _load_inbox(connection: Connection) -> None:
    received = {"received_at": AT}
    body = received | {"body": "CAST('{}' AS BYTEA)" if connection.dialect.name == "postgresql" else "x'7b7d'"}
    for kept, count in (("'unreadable'", MANY), ("NULL", SOME)):
        fill(connection, tables.webhook_bodies, count, body | {"kept_because": kept})
    report = {"message_id": "'wamid.other.' || n", "progress": "'delivered'", "source": "'webhook'"}
    fill(connection, tables.parked_reports, MANY, report | received)
    inbound = {"message_id": "'in-' || n", "kind": "'text'", "phone_hash": "'hash-' || n"}
    fill(connection, tables.inbound_messages, MANY, inbound | received)
    seen = {"message_id": "'echo-' || n", "phone_hash": "'hash-' || n", "text_hash": "'text'", "at": AT}
    fill(connection, tables.echoes, MANY, seen | received | {"source": "'echo'"})


@pytest.mark.parametrize("name", CALLS)
def test_no_large_table_is_read_from_end_to_end(connection: Connection, name: str) -> None:
    plans: list[tuple[str, Sequence[Any]]] = []

    def explain(of: Connection, cursor: DBAPICursor, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.startswith(("SAVEPOINT", "ROLLBACK")):
            return
        command = "EXPLAIN (FORMAT JSON)" if of.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        with closing(cursor.connection.cursor()) as own:
            own.execute(f"{command} {statement}", parameters[0] if many else parameters)
            plans.append((statement, own.fetchall()))

    event.listen(connection, "before_cursor_execute", explain)
    savepoint = connection.begin_nested()
    try:
        CALLS[name](connection)
    finally:
        event.remove(connection, "before_cursor_execute", explain)
        savepoint.rollback()
    whole = _postgresql_scans if connection.dialect.name == "postgresql" else _sqlite_scans
    assert {statement: found for statement, plan in plans if (found := whole(plan))} == {}


def _sqlite_scans(plan: Sequence[Any]) -> list[str]:
    """The lines that read a table, or an index that is not partial, from end to end."""
    details = [str(row[-1]) for row in plan]
    scans = [detail.split() for detail in details if detail.startswith("SCAN ")]
    return [" ".join(words) for words in scans if words[1] in LARGE and not PARTIAL.intersection(words)]


def _postgresql_scans(plan: Sequence[Any]) -> list[str]:
    [[document]] = plan
    [top] = json.loads(document) if isinstance(document, str) else document
    return [str(node) for node in _nodes(top["Plan"]) if _is_whole_scan(node)]


def _is_whole_scan(node: Mapping[str, Any]) -> bool:
    if node["Node Type"] == "Seq Scan":
        return node["Relation Name"] in LARGE
    index = str(node.get("Index Name", ""))
    large = index in INDEXES or index.removeprefix("pk_") in LARGE
    return large and index not in PARTIAL and "Index Cond" not in node


def _nodes(top: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield top
    for below in top.get("Plans", ()):
        yield from _nodes(below)


def test_every_query_is_looked_at() -> None:
    packages = [vars(queries), vars(queries.reporting), vars(queries.operating)]
    modules = [
        module
        for package in packages
        for name, module in package.items()
        if inspect.ismodule(module) and name != "statements"
    ]
    functions = {
        f"{module.__name__.rsplit('.', 1)[1]}.{name}"
        for module in modules
        for name, function in vars(module).items()
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
    }
    assert functions == {name.split()[0] for name in CALLS} | READS_EVERYTHING
