"""Opt-outs: who does not want to be written to, and who took that back. Their outbox is in `outbox`.

Of each subject (`user:…`, `phone:…`, `email:…`) the latest opt-out and the latest opt-in are kept, so neither repeats
nor another order change anything. `_in_force` says which of the two counts.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, tuple_, update

from consumer.clock import Millis
from consumer.ledger.queries.statements import SOME, chunks, upsert
from consumer.ledger.schema.tables import opt_out_journal, opt_outs

_in_force = or_(opt_outs.c.lifted_at.is_(None), opt_outs.c.occurred_at >= opt_outs.c.lifted_at)


@dataclass(frozen=True, slots=True)
class StoredOptOut:
    """An opt-out; the fields are columns of `tables.opt_outs`."""

    subject: str
    medium: str
    reason: str
    source: str
    occurred_at: Millis


@dataclass(frozen=True, slots=True)
class OptOutJournalEntry:
    """What an operator did; the fields are columns of `tables.opt_out_journal`."""

    subject: str
    action: str
    why: str | None
    at: Millis


_ENTRY = [opt_out_journal.c[name] for name in OptOutJournalEntry.__dataclass_fields__]
_STORED = [opt_outs.c[name] for name in StoredOptOut.__dataclass_fields__]
_IN_FORCE = select(*_STORED).where(opt_outs.c.subject.in_(SOME), _in_force)


def opted_out_since(connection: Connection, subjects: Collection[str]) -> dict[str, Millis]:
    """Return the subjects that do not want to be written to, on whichever medium they said so, and since when."""
    found: dict[str, Millis] = {}
    for each in in_force(connection, subjects):
        found[each.subject] = max(each.occurred_at, found.get(each.subject, 0))
    return found


def in_force(connection: Connection, subjects: Collection[str]) -> list[StoredOptOut]:
    """Return the opt-outs of these subjects that are in force."""
    found: list[StoredOptOut] = []
    for some in chunks(subjects):
        found += [StoredOptOut(*row) for row in connection.execute(_IN_FORCE, {"some": some})]
    return found


def opted_in_at(connection: Connection, subject: str) -> Millis | None:
    """Return when this subject last opted in; None if it never did."""
    at: Millis | None = connection.scalar(select(func.max(opt_outs.c.lifted_at)).where(opt_outs.c.subject == subject))
    return at


def record(connection: Connection, stored: Collection[StoredOptOut]) -> None:
    """Record opt-outs, each unless a later one of the same subject and medium is known."""
    statement = upsert(connection, opt_outs)
    new, old = statement.excluded, opt_outs.c
    latest = {name: new[name] for name in ("reason", "source", "occurred_at")}
    statement = statement.on_conflict_do_update(
        index_elements=["subject", "medium"], set_=latest, where=new.occurred_at > old.occurred_at
    )
    if stored:
        connection.execute(statement, [asdict(each) for each in stored])


def record_opt_in(connection: Connection, subjects: Collection[str], medium: str, source: str, at: Millis) -> set[str]:
    """Record that these subjects opted in; it also counts for opt-outs from before that are yet to come.

    Returns those whose opt-out it lifted.
    """
    row = {"medium": medium, "reason": "", "source": source, "occurred_at": 0, "lifted_at": at}
    if subjects:
        statement = upsert(connection, opt_outs).on_conflict_do_nothing()
        connection.execute(statement, [{"subject": subject, **row} for subject in sorted(subjects)])
    return lift(connection, subjects, at)


def lift(connection: Connection, subjects: Collection[str], at: Millis) -> set[str]:
    """Lift the opt-outs of these subjects from before that moment, on every medium. Returns those that it lifted."""
    lifted: set[str] = set()
    for some in chunks(subjects):
        whose: ColumnElement[bool] = opt_outs.c.subject.in_(some)
        query = select(opt_outs.c.subject).where(whose, _in_force, opt_outs.c.occurred_at < at)
        lifted.update(connection.scalars(query))
        earlier = or_(opt_outs.c.lifted_at.is_(None), opt_outs.c.lifted_at < at)
        connection.execute(update(opt_outs).where(whose, earlier).values(lifted_at=at))
    return lifted - opted_out_since(connection, lifted).keys()


def page(connection: Connection, after: tuple[str, str], limit: int) -> list[StoredOptOut]:
    """Return the next opt-outs in force, in the order of subject and medium, behind this pair."""
    key = tuple_(opt_outs.c.subject, opt_outs.c.medium)
    query = select(*_STORED).where(key > after, _in_force).order_by(opt_outs.c.subject, opt_outs.c.medium)
    return [StoredOptOut(*row) for row in connection.execute(query.limit(limit))]


def journal(connection: Connection, subjects: Collection[str], action: str, why: str, at: Millis) -> None:
    """Note what an operator did about these subjects."""
    if subjects:
        entries = [OptOutJournalEntry(subject, action, why, at) for subject in sorted(subjects)]
        connection.execute(insert(opt_out_journal), [asdict(each) for each in entries])


def journal_of(connection: Connection, subjects: Collection[str]) -> list[OptOutJournalEntry]:
    """Return what operators did about these subjects, in order."""
    found: list[OptOutJournalEntry] = []
    for some in chunks(subjects):
        query = select(*_ENTRY).where(opt_out_journal.c.subject.in_(some)).order_by(opt_out_journal.c.id)
        found += [OptOutJournalEntry(*row) for row in connection.execute(query)]
    return sorted(found, key=lambda each: each.at)


def erase_journal(connection: Connection, subjects: Collection[str]) -> None:
    """Forget why operators did something about these subjects: it may say something about the person."""
    for some in chunks(subjects):
        whose = opt_out_journal.c.subject.in_(some), opt_out_journal.c.why.is_not(None)
        connection.execute(update(opt_out_journal).where(*whose).values(why=None))
