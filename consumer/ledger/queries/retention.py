"""Lets go of what is over and old, a little at a time."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, tuple_

from consumer.clock import Millis
from consumer.ledger.schema.tables import attempts, inbound_messages, opt_out_outbox, outbox, reminders


def old_reminders(connection: Connection, before: Millis, over: Sequence[str], limit: int) -> list[tuple[str, str]]:
    """The oldest that stand at one of these statuses and that nothing has touched since that moment.

    One that waits for anything, or of which something is not published yet, is not among them.
    """
    r, o = reminders.c, outbox.c
    waits = (r.due_at, r.lease_until, r.unknown_since, r.quiet_from, r.fallback_at)
    untold = select(o.id).where(o.reminder_id == r.reminder_id, o.medium == r.medium, o.published.is_(False)).exists()
    query = select(r.reminder_id, r.medium).where(r.created_at < before, r.updated_at < before, r.status.in_(over))
    query = query.where(*(moment.is_(None) for moment in waits), ~untold).order_by(r.created_at).limit(limit)
    return [(row[0], row[1]) for row in connection.execute(query.with_for_update(skip_locked=True))]


def drop_reminders(connection: Connection, keys: Sequence[tuple[str, str]]) -> None:
    """With their attempts, and what was told of them."""
    for table in (outbox, attempts, reminders):
        which = tuple_(table.c.reminder_id, table.c.medium).in_(keys)
        connection.execute(delete(table).where(which))


def drop_inbound(connection: Connection, before: Millis, limit: int) -> int:
    """What people wrote to us before that moment."""
    old = select(inbound_messages.c.message_id).where(inbound_messages.c.received_at < before).limit(limit)
    return connection.execute(delete(inbound_messages).where(inbound_messages.c.message_id.in_(old))).rowcount


def drop_told_opt_outs(connection: Connection, before: Millis, limit: int) -> int:
    """Opt-outs that the topic has long heard of; the opt-outs themselves stay for ever."""
    o = opt_out_outbox.c
    old = select(o.id).where(o.published.is_(True), o.occurred_at < before).order_by(o.id).limit(limit)
    return connection.execute(delete(opt_out_outbox).where(o.id.in_(old))).rowcount
