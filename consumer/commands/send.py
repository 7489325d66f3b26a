"""`lapse send`: sends one template message to one person, now."""

import asyncio
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import typer
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from consumer import log
from consumer.clock import Millis, SystemClock
from consumer.commands.onemsg_channel import onemsg_section, open_client
from consumer.commands.terminal.account import account
from consumer.commands.terminal.exit_codes import DONE, FAILED, CommandFailed
from consumer.commands.terminal.output import print_line
from consumer.commands.terminal.time_arguments import format_iso_time
from consumer.config.loader import ledger_hash_key, load
from consumer.config.settings import Settings
from consumer.deliver.recipients.identity import phone_hash
from consumer.deliver.recipients.opt_outs import owner_of
from consumer.ledger import queries
from consumer.ledger.errors import NoLedger
from consumer.ledger.store import Ledger
from consumer.onemsg.client import OneMsgClient, OneMsgError
from consumer.onemsg.http.transport_errors import in_words
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome, Rejected
from consumer.onemsg.phone import PhoneProblem, normalize_phone
from consumer.onemsg.templates.parameters import safe_parameter
from consumer.onemsg.webhook.notifications import Progress

_POLL_INTERVAL_S = 1.0
_FINAL = {Progress.DELIVERED, Progress.READ, Progress.FAILED}
_RANKS = list(Progress)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets the message, and its two variables, as written on the command line."""

    phone: str = field(repr=False)
    name: str = field(repr=False)
    action: str = field(repr=False)


def main(config: Path, person: Recipient, *, wait_seconds: float | None) -> int:
    """Send the message and print its id; with `wait_seconds` follow it for that long. Return the exit status.

    Raises:
        ConfigError: the settings are not right, or there is no channel.
        typer.BadParameter: the phone number or a text cannot be sent.
        CommandFailed: the person has opted out, or 1MSG did not accept the message.
    """
    settings = load(config)
    log.configure_for_command()
    message = _message(settings, person)
    if has_opted_out(settings, message.phone):
        raise CommandFailed("this person has opted out: nothing was sent")
    client = open_client(onemsg_section(settings))
    journal_test_send(settings, message.template, message.phone)
    return asyncio.run(_send(client, message, wait_seconds))


def _message(settings: Settings, person: Recipient) -> TemplateMessage:
    section = onemsg_section(settings)
    phone = normalize_phone(person.phone, settings.policy.default_region)
    if isinstance(phone, PhoneProblem):
        raise typer.BadParameter(phone.error, param_hint="--phone")
    return TemplateMessage(
        phone=phone.digits,
        template=section.template.name,
        namespace=section.template.namespace,
        language=section.template.language,
        params=(_text(person.name, "--name"), _text(person.action, "--action")),
        ttl=section.ttl,
    )


def _text(given: str, option: str) -> str:
    safe = safe_parameter(given)
    if safe is None:
        raise typer.BadParameter("contains nothing that can be read", param_hint=option)
    return safe


def has_opted_out(settings: Settings, phone: str) -> bool:
    """Return whether this number, or a user whose contact has it, has opted out; False if there is no ledger yet."""
    url = make_url(settings.ledger.url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return False
    try:
        ledger = Ledger(settings.ledger.url, hash_key=ledger_hash_key(settings), read_only=True)
        with closing(ledger), ledger.reading() as connection:
            subjects = owner_of(connection, phone_hash(phone, ledger.hash_key))
            return bool(queries.opt_outs.opted_out_since(connection, subjects))
    except SQLAlchemyError as problem:
        kind = type(problem).__name__
        raise CommandFailed(f"the ledger cannot be read for opt-outs ({kind}), so nothing was sent") from None


def journal_test_send(settings: Settings, template: str, phone: str) -> None:
    """Note who sends a message by hand, if there is a ledger; of the number (digits) only the last three."""
    try:
        ledger = Ledger(settings.ledger.url, hash_key=ledger_hash_key(settings), beside=True)
    except NoLedger:
        return
    with closing(ledger), ledger.transaction() as connection:
        detail = f"{template} to …{phone[-3:]}"
        queries.operating.journal.add(connection, SystemClock().now(), account(), "test_send", detail=detail)


async def _send(channel: OneMsgClient, message: TemplateMessage, wait_seconds: float | None) -> int:
    async with channel:
        try:
            message_id = _accepted(await channel.send_template(message))
        except asyncio.CancelledError:  # Ctrl-C
            raise CommandFailed("interrupted: the message may have been sent. Check in 1MSG") from None
        if wait_seconds is None:
            print_line(f"{message_id} accepted")
            return DONE
        print_line(f"{message_id} accepted {_format_time(None)}")
        return await _follow(channel, message_id, wait_seconds)


def _accepted(outcome: Outcome) -> str:
    if isinstance(outcome, Accepted):
        return outcome.message_id
    if isinstance(outcome, Rejected):
        words = ": ".join(filter(None, [outcome.reason, outcome.error]))
        raise CommandFailed(f"1MSG refused the message: {words}")
    words = in_words(outcome)
    if isinstance(outcome, NotTransmitted):
        raise CommandFailed(
            f"the message was not sent: {words}; is onemsg.base_url right, and does the network allow the call?"
        )
    raise CommandFailed(f"the message may have been sent: {words}. Check in 1MSG before you send it again")


async def _follow(channel: OneMsgClient, message_id: str, seconds: float) -> int:
    """Print each status of the message until a final one; return the exit status."""
    known: Progress | None = None
    try:
        async with asyncio.timeout(seconds):
            while known not in _FINAL:
                await asyncio.sleep(_POLL_INTERVAL_S)
                for report in sorted(await channel.hook_info(message_id), key=lambda r: _RANKS.index(r.progress)):
                    if known is None or _RANKS.index(report.progress) > _RANKS.index(known):
                        known = report.progress
                        code = None if report.error_code is None else str(report.error_code)
                        print_line(
                            " ".join(filter(None, [message_id, known, _format_time(report.at), code, report.error]))
                        )
    except TimeoutError:
        raise CommandFailed(f"after {seconds:g} s its status is still {known or 'accepted'}") from None
    except asyncio.CancelledError:  # Ctrl-C
        raise CommandFailed(f"no longer waiting; its last status was {known or 'accepted'}") from None
    except OneMsgError as problem:
        raise CommandFailed(f"it was accepted, but 1MSG does not report its status: {problem}") from None
    return FAILED if known is Progress.FAILED else DONE


def _format_time(at: Millis | None) -> str:
    """Return 1MSG's time of the status, or the present time if it has none, in ISO 8601."""
    return format_iso_time(SystemClock().now() if at is None else at, "seconds")
