"""The tables: reminders, their statuses, and the records to publish. Moments are whole milliseconds, UTC.

A reminder that waits for something has a moment set for it, and each has an index of its own, so that "what is next?"
is one short read however long the history is: `due_at` (planned, deferred), `lease_until` (sending), `unknown_since`
(unknown), `quiet_since` (accepted, sent or unknown: since when nothing has been heard; whom to ask next), `fallback_at`
(ended in a way that another medium may mend). One that waits for nothing more is in the index of its last change, from
which retention takes the oldest.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    and_,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Counted = BigInteger().with_variant(Integer, "sqlite")
"""A key that counts up; SQLite does that for INTEGER alone."""


def partial_index(name: str | None, *columns: Column[Any], where: ColumnElement[bool]) -> None:
    """Give a table an index of the rows for which `where` is true, in both databases."""
    Index(name, *columns, sqlite_where=where, postgresql_where=where)


meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""`ledger_id`; `first_sequence`, where another has published before; and `hash_key` (hex; of the hashes of phone
numbers), or `hash_key_check` where that is kept outside."""

reminders = Table(
    "reminders",
    metadata,
    Column("reminder_id", Text, nullable=False),
    Column("medium", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("action", Text),
    Column("last_seen", BigInteger, nullable=False),
    Column("lapsed_at", BigInteger),
    Column("occurred_at", BigInteger, nullable=False),
    Column("partition", Integer, nullable=False),  # of the reminders topic, whose watermark speaks for this row
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("until", BigInteger),  # of a deferral, as published
    Column("due_at", BigInteger),  # at or before `until`: what it waited for may come earlier
    Column("lease_until", BigInteger),
    Column("unknown_since", BigInteger),
    Column("quiet_since", BigInteger),
    Column("fallback_at", BigInteger),  # see `deliver/policy/fallback.py`
    Column("polls", Integer, nullable=False),  # since the last report
    Column("sequence", Integer, nullable=False),  # of the last published record, from 1
    Column("attempts", Integer, nullable=False),
    Column("counted_attempts", Integer, nullable=False),  # against max_attempts
    Column("attempted_at", BigInteger),
    Column("claimed_by", Text),
    Column("message_id", Text),
    Column("phone", Text),  # as it was sent to
    Column("template", Text),
    Column("language", Text),
    Column("error_code", Integer),
    Column("superseded_at", BigInteger),  # noted for rows in flight: they are not sent a second time
    Column("returned_at", BigInteger),
    Column("completed_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("traceparent", Text),  # of the activity that began the silence
    PrimaryKeyConstraint("reminder_id", "medium"),
    Index(None, "user_id", "process"),
    Index(None, "created_at"),
)
AWAITED = [reminders.c[name] for name in ("due_at", "lease_until", "unknown_since", "quiet_since", "fallback_at")]
"""The moments a reminder can wait for."""
UNRESOLVED = reminders.c.status == text("'unresolved'")
WAITS_FOR_NOTHING = and_(*(moment.is_(None) for moment in AWAITED), reminders.c.status != text("'unresolved'"))
"""Conditions of indexes. SQLite uses such an index only for a query that says the same in the same words."""

for _moment in AWAITED:
    partial_index(None, _moment, where=_moment.is_not(None))
for _whose in ("partition", "user_id"):
    _waiting = reminders.c.due_at.is_not(None)
    partial_index(f"ix_reminders_waiting_{_whose}", reminders.c.reason, reminders.c[_whose], where=_waiting)
partial_index("ix_reminders_unresolved", reminders.c.attempted_at, where=UNRESOLVED)
partial_index("ix_reminders_over", reminders.c.updated_at, where=WAITS_FOR_NOTHING)

attempts = Table(
    "attempts",
    metadata,
    Column("reminder_id", Text, nullable=False),
    Column("medium", Text, nullable=False),
    Column("number", Integer, nullable=False),  # from 1
    Column("user_id", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),  # journalled, before the request leaves
    Column("finished_at", BigInteger),
    Column("outcome", Text, nullable=False),  # sending, accepted, rejected, not_transmitted, unknown
    Column("may_have_been_sent", Boolean, nullable=False),  # until certainly refused
    Column("reason", Text),
    Column("error_code", Integer),
    Column("error", Text),
    Column("message_id", Text),
    Column("phone", Text),
    Column("phone_hash", Text),  # keyed, as in `opt_outs`: stays when the phone is erased
    Column("text_hash", Text),  # keyed, of the finished text, where it was known
    Column("email_hash", Text),  # keyed, of the mailbox that an e-mail went to
    PrimaryKeyConstraint("reminder_id", "medium", "number"),
    ForeignKeyConstraint(["reminder_id", "medium"], ["reminders.reminder_id", "reminders.medium"]),
    Index(None, "user_id", "started_at"),
    Index(None, "phone_hash", "started_at"),
    Index(None, "started_at", "phone_hash"),
    Index(None, "message_id"),
)
"""One row for every POST, written before it leaves."""
_without_id = attempts.c.message_id.is_(None) & attempts.c.may_have_been_sent.is_(True)
partial_index("ix_attempts_without_id", attempts.c.started_at, where=_without_id)
partial_index(
    "ix_attempts_email", attempts.c.email_hash, attempts.c.started_at, where=attempts.c.email_hash.is_not(None)
)

contacts = Table(
    "contacts",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("name", Text),
    Column("phone", Text),
    Column("locale", Text),
    Column("timezone", Text),
    Column("email", Text),
    Column("opt_in", Boolean),  # the latest yes or no of a record; null if none has said either
    Column("opted_in_at", BigInteger),  # when the person last agreed, as a record says
    Column("updated_at", BigInteger),
    Column("declined_at", BigInteger),  # the latest `updated_at` of a record that said no
    Column("erased", Boolean, nullable=False),  # by a null value: what is left says how far we have read
    Column("source_partition", Integer, nullable=False),
    Column("source_offset", BigInteger, nullable=False),
    Column("phone_hash", Text),  # keyed, as in `opt_outs`: finds who has a number
    Column("email_hash", Text),  # keyed, of the mailbox: finds who names it
    Index(None, "phone_hash"),
    Index(None, "email_hash"),
)

opt_outs = Table(
    "opt_outs",
    metadata,
    Column("subject", Text, nullable=False),  # `user:` and the id, `phone:` or `email:` and a keyed hash
    Column("medium", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False, server_default="other"),
    Column("occurred_at", BigInteger, nullable=False),  # the latest; 0 where only an opt-in was heard
    Column("lifted_at", BigInteger),  # the latest opt-in: what was said before that stands no longer
    PrimaryKeyConstraint("subject", "medium"),
)

opt_out_journal = Table(
    "opt_out_journal",
    metadata,
    Column("id", Counted, primary_key=True, autoincrement=True),
    Column("subject", Text, nullable=False),
    Column("action", Text, nullable=False),  # add, lift
    Column("why", Text),  # null once the person was erased
    Column("at", BigInteger, nullable=False),
    Index(None, "subject"),
)
"""What operators did about opt-outs, and why."""

webhook_bodies = Table(
    "webhook_bodies",
    metadata,
    Column("id", Counted, primary_key=True, autoincrement=True),
    Column("body", LargeBinary, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("kept_because", Text),  # null: still to be applied; else why it was kept after that
)
"""Bodies as they came. They go when they have been applied; those we could not read stay for a while."""
_unapplied, _kept = webhook_bodies.c.kept_because.is_(None), webhook_bodies.c.kept_because.is_not(None)
partial_index("ix_webhook_bodies_unapplied", webhook_bodies.c.id, where=_unapplied)
partial_index("ix_webhook_bodies_kept", webhook_bodies.c.received_at, where=_kept)

parked_reports = Table(
    "parked_reports",
    metadata,
    Column("id", Counted, primary_key=True, autoincrement=True),
    Column("message_id", Text, nullable=False),
    Column("progress", Text, nullable=False),
    Column("at", BigInteger),
    Column("error_code", Integer),
    Column("error", Text),
    Column("source", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    UniqueConstraint("message_id", "progress"),
    Index(None, "received_at"),
)
"""Reports of messages we do not know: early ones, or those of others who use the channel."""

inbound_messages = Table(
    "inbound_messages",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("sender", Text),  # not written any more: `phone_hash` finds the person
    Column("at", BigInteger),
    Column("kind", Text, nullable=False),
    Column("body", Text),
    Column("received_at", BigInteger, nullable=False),
    Column("phone_hash", Text),  # of the sender
    Index(None, "received_at"),
    Index(None, "phone_hash"),
)
"""Likely opt-outs, for whoever reads them. No other words of people are kept."""

outbox = Table(
    "outbox",
    metadata,
    Column("id", Counted, primary_key=True, autoincrement=True),
    Column("reminder_id", Text, nullable=False),
    Column("medium", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("reason", Text),
    Column("error_code", Integer),
    Column("message_id", Text),
    Column("attempt", Integer),
    Column("template", Text),
    Column("language", Text),
    Column("lapsed_at", BigInteger),
    Column("until", BigInteger),
    Column("source", Text, nullable=False),
    Column("occurred_at", BigInteger, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Column("published", Boolean, nullable=False),
    Column("refused_because", Text),  # set aside: the broker does not take this record, but others
    Column("traceparent", Text),  # for the record's headers
    UniqueConstraint("reminder_id", "medium", "sequence"),
)
"""Every published transition: what the delivery-status topic has, or is about to have."""
_unpublished = outbox.c.published.is_(False)
partial_index("ix_outbox_unpublished", outbox.c.id, where=_unpublished)

opt_out_outbox = Table(
    "opt_out_outbox",
    metadata,
    Column("id", Counted, primary_key=True, autoincrement=True),
    Column("subject", Text, nullable=False),  # as in `opt_outs`
    Column("medium", Text, nullable=False),
    Column("reason", Text),  # null: it was lifted
    Column("source", Text, nullable=False, server_default="other"),
    Column("occurred_at", BigInteger, nullable=False),
    Column("published", Boolean, nullable=False),
    Column("refused_because", Text),  # as above
    Index(None, "occurred_at"),
)
"""What the opt-outs topic has, or is about to have."""
_unpublished = opt_out_outbox.c.published.is_(False)
partial_index("ix_opt_out_outbox_unpublished", opt_out_outbox.c.id, where=_unpublished)

echoes = Table(
    "echoes",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("phone_hash", Text, nullable=False),  # of the recipient
    Column("text_hash", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("source", Text, nullable=False),  # echo, check
    Column("received_at", BigInteger, nullable=False),
    Index(None, "phone_hash"),
    Index(None, "received_at"),
)
"""The business's own messages, seen from outside, that no attempt had claimed. They go after a day."""
