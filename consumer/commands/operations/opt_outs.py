"""`lapse opt-outs`: who asked for no more messages; an operator enters or lifts it on a person's behalf."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import typer
from sqlalchemy import Connection

from consumer import log
from consumer.clock import SystemClock
from consumer.commands.terminal.account import account
from consumer.commands.terminal.exit_codes import DONE, FAILED
from consumer.commands.terminal.output import echo, print_line
from consumer.commands.terminal.time_arguments import format_time
from consumer.config.loader import ledger_hash_key, load
from consumer.config.settings import Settings
from consumer.deliver.lifecycle import StatusSource
from consumer.deliver.policy.record_bounds import text_problem
from consumer.deliver.recipients.identity import email_hash, phone_hash, subjects_of, users_among
from consumer.deliver.recipients.opt_outs import opt_in, opt_out, owner_of
from consumer.email_address import normalize_email
from consumer.ledger import queries
from consumer.ledger.queries.opt_outs import StoredOptOut
from consumer.ledger.store import Ledger
from consumer.onemsg.phone import PhoneProblem, normalize_phone
from consumer.records import WHATSAPP

_PAGE = 500
_BY_OPERATOR = "by_operator"
_KINDS = {"phone": "number", "email": "mailbox"}
"""Kinds of subjects that are kept as a hash, and what people call them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A person, by user id or by phone number, as written on the command line."""

    user_id: str | None = None
    phone: str | None = field(default=None, repr=False)


def show(config: Path, who: Who | None) -> int:
    """Print the opt-outs in force, of one person or all; for one, also what operators did. Return the exit status.

    Raises ConfigError; LedgerRefused if there is no ledger; typer.BadParameter.
    """
    with _opened(config) as (settings, ledger), ledger.reading() as connection:
        if who is None:
            last = ("", "")
            while found := queries.opt_outs.page(connection, last, _PAGE):
                for each in found:
                    print_line(_line(each))
                last = found[-1].subject, found[-1].medium
            return DONE if any(last) else _nobody()
        subjects = _subjects(connection, settings, ledger, who)
        stored = queries.opt_outs.in_force(connection, subjects)
        for each in sorted(stored, key=lambda each: each.subject, reverse=True):
            print_line(_line(each))
        for entry in queries.opt_outs.journal_of(connection, subjects):
            print_line(f"{format_time(entry.at)} UTC an operator: {entry.action}: {entry.why or '(erased)'}")
        return DONE if stored else _nobody()


def add(config: Path, who: Who, why: str) -> int:
    """Record that the person asked for no more messages, on every medium. Return the exit status. Raises as `show`."""
    with _opened(config) as (settings, ledger), ledger.transaction() as connection:
        now, subjects = SystemClock().now(), _subjects(connection, settings, ledger, who)
        opt_out(connection, subjects, WHATSAPP, _BY_OPERATOR, StatusSource.OPERATOR, now)
        queries.opt_outs.journal(connection, _with_journal(subjects), "add", why, now)
        queries.operating.journal.add(connection, now, account(), "opt_out", subject=_count(subjects))
    echo(f"recorded for {_count(subjects)}: nothing is sent any more, on any medium")
    return DONE


def lift(config: Path, who: Who, why: str) -> int:
    """Record that the person asked to be written to again. Return the exit status: 1 if they had not opted out.

    Raises as `show`.
    """
    with _opened(config) as (settings, ledger), ledger.transaction() as connection:
        queries.replicas.lock_facts_exclusive(connection)
        now, subjects = SystemClock().now(), _subjects(connection, settings, ledger, who)
        lifted = opt_in(connection, subjects, WHATSAPP, StatusSource.OPERATOR, now)
        queries.opt_outs.journal(connection, _with_journal(lifted), "lift", why, now)
        if lifted:
            queries.operating.journal.add(connection, now, account(), "lift", subject=_count(lifted))
    if not lifted:
        return _nobody()
    echo(f"lifted for {_count(lifted)}; the contact's consent and all other checks still count")
    return DONE


def _nobody() -> int:
    echo("nobody here has opted out", err=True)
    return FAILED


@contextmanager
def _opened(config: Path) -> Iterator[tuple[Settings, Ledger]]:
    settings = load(config)
    log.configure_for_command()
    ledger = Ledger(settings.ledger.url, hash_key=ledger_hash_key(settings), beside=True)
    try:
        yield settings, ledger
    finally:
        ledger.close()


def _subjects(connection: Connection, settings: Settings, ledger: Ledger, who: Who) -> set[str]:
    """Return all that is known of the person: their user id, number and mailbox, and other users with that number."""
    if who.phone is not None:
        phone = normalize_phone(who.phone, settings.policy.default_region)
        if isinstance(phone, PhoneProblem):
            raise typer.BadParameter(phone.error, param_hint="--phone")
        return owner_of(connection, phone_hash(phone.digits, ledger.hash_key))
    user_id = who.user_id or ""
    if problem := text_problem("user_id", user_id) if user_id else "is empty":
        raise typer.BadParameter(problem, param_hint="USER")
    contact = queries.contacts.by_user(connection, [user_id]).get(user_id)
    address = normalize_email(contact.email) if contact is not None and contact.email else None
    own = set(subjects_of(user_id, None, None if address is None else email_hash(address, ledger.hash_key)))
    hashed = queries.contacts.consents(connection, [user_id])[user_id].phone_hash if contact is not None else None
    return own if hashed is None else own | owner_of(connection, hashed)


def _line(stored: StoredOptOut) -> str:
    kind, _, name = stored.subject.partition(":")
    who = f"user {name}" if kind == "user" else f"{_KINDS[kind]} #{name[:12]}"
    return f"{format_time(stored.occurred_at)} UTC {who} {stored.medium} {stored.reason} {stored.source}"


def _count(subjects: set[str]) -> str:
    hashed = [f"their {what}" for kind, what in _KINDS.items() if any(each.startswith(f"{kind}:") for each in subjects)]
    return ", ".join([*(f"user {user}" for user in sorted(users_among(subjects))), *hashed])


def _with_journal(subjects: set[str]) -> set[str]:
    """Return those whose journal is erased with a person; many may have a mailbox, so its hash leads to nobody."""
    return {each for each in subjects if not each.startswith("email:")}
