"""Settles holds on people who may have opted out in words of their own, by what an operator read in them."""

from consumer.clock import Millis
from consumer.deliver.lifecycle import StatusSource
from consumer.deliver.recipients.opt_outs import LIKELY_OPT_OUT, end_likely_opt_out, opt_out, owner_of, speakers_at
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.ledger import queries
from consumer.ledger.queries.reporting.console import HeldPerson

_PHONE = "phone:"


def find(work: UnitOfWork, subject: str, medium: str) -> HeldPerson | None:
    """Return the hold on this phone (`phone:` and its hash) that is in force; None if it has ended."""
    return queries.reporting.console.held_person(work.connection, LIKELY_OPT_OUT, subject, medium, work.now)


def lift(work: UnitOfWork, person: HeldPerson) -> int:
    """End the hold: it was no opt-out. Returns how many reminders had waited for it."""
    queries.replicas.lock_facts_exclusive(work.connection)
    return _end(work, person)


def confirm(work: UnitOfWork, person: HeldPerson, said_at: Millis) -> None:
    """Record the opt-out that it was; it holds for every medium, until the person lifts it."""
    queries.replicas.lock_facts_exclusive(work.connection)
    subjects = owner_of(work.connection, person.subject.removeprefix(_PHONE))
    opt_out(work.connection, subjects, person.medium, "by_operator", StatusSource.OPERATOR, said_at)
    queries.opt_outs.journal(work.connection, subjects, "add", "read in the person's own words", work.now)
    _end(work, person)


def _end(work: UnitOfWork, person: HeldPerson) -> int:
    """End the hold, and have the reminders of these people checked again now, on all media."""
    held = speakers_at(work.connection, person.subject.removeprefix(_PHONE), work.now)
    return end_likely_opt_out(work.connection, held)
