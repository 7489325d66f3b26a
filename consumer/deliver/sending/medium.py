"""What a claim does differently on each medium: its checks, its limits, and how its messages are written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy import Connection

from consumer.clock import Millis
from consumer.deliver.channel.template_status import TemplateStatuses
from consumer.deliver.policy.checks import CHECKS, Check, Facts
from consumer.deliver.policy.fallback import checks_for, with_siblings
from consumer.deliver.policy.message_plan import TemplateVariant
from consumer.deliver.policy.personal_text import usable_action
from consumer.deliver.sending.facts import SenderConfig
from consumer.deliver.unit_of_work import Key
from consumer.ledger import queries
from consumer.ledger.schema.rows import ReminderRow
from consumer.media.text_template import FallbackText
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.templates.parameters import render, shorten_to_fit
from consumer.records import WHATSAPP

M = TypeVar("M")
"""What is sent: a template message, an e-mail, a call."""


@dataclass(frozen=True, slots=True)
class Draft(Generic[M]):
    """A message, and what the reminder's row stores about it."""

    message: M
    phone: str | None = None
    template: str | None = None
    language: str | None = None
    text: str | None = None
    """The finished text, where the template's is known: by it the message is recognised when seen from outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium(Generic[M]):
    """One medium. `write` makes the message for a row that has passed `checks`; it may raise."""

    name: str
    checks: Sequence[Check]
    write: Callable[[ReminderRow, Facts, TemplateVariant, Millis], Draft[M]]
    complete_facts: Callable[[Connection, Sequence[ReminderRow], Mapping[Key, Facts]], Mapping[Key, Facts]] = (
        lambda connection, rows, facts: facts
    )
    templates: TemplateStatuses = field(default_factory=TemplateStatuses)
    unique_recipients: int | None = None


def whatsapp_medium(config: SenderConfig, ttl: int | None) -> Medium[TemplateMessage]:
    """Return the medium that sends templates through 1MSG; `ttl` is in seconds."""

    def write(row: ReminderRow, facts: Facts, variant: TemplateVariant, now: Millis) -> Draft[TemplateMessage]:
        assert facts.phone is not None  # the checks require both
        assert facts.name is not None
        params = (facts.name, usable_action(row.action, config.text_check) or variant.action)
        body = config.templates.of(variant).body
        message = TemplateMessage(
            phone=facts.phone,
            template=variant.template,
            namespace=variant.namespace,
            language=variant.language,
            params=(body and shorten_to_fit(body, params)) or params,
            ttl=ttl,
        )
        text = render(body, message.params) if body else None
        return Draft(message, message.phone, message.template, message.language, text)

    return Medium(
        name=WHATSAPP,
        checks=CHECKS,
        write=write,
        templates=config.templates,
        unique_recipients=config.unique_recipients,
    )


def fallback_medium(name: str, config: SenderConfig, write_message: Callable[[FallbackText, Millis], M]) -> Medium[M]:
    """Return a medium whose messages `write_message` makes from the configuration's own texts."""

    def write(row: ReminderRow, facts: Facts, variant: TemplateVariant, now: Millis) -> Draft[M]:
        assert facts.name is not None  # the checks require it
        text = FallbackText(
            reminder_id=row.reminder_id,
            user_id=row.user_id,
            process=row.process,
            step=row.step,
            lapsed_at=facts.lapsed_at,
            name=facts.name,
            action=usable_action(row.action, config.text_check) or config.plans[row.process].action,
            email=facts.email,
            traceparent=row.traceparent,
        )
        return Draft(write_message(text, now))

    return Medium(name=name, checks=checks_for(name), write=write, complete_facts=_with_siblings)


def _with_siblings(
    connection: Connection, rows: Sequence[ReminderRow], facts: Mapping[Key, Facts]
) -> Mapping[Key, Facts]:
    """Return the facts combined with those of the same reminders on other media."""
    by_id = queries.reminders.on_all_media(connection, {row.reminder_id for row in rows})
    overtaken = queries.reminders.ids_with_later_lapse(connection, rows)
    return {
        (reminder_id, medium): with_siblings(
            each, [row for row in by_id[reminder_id] if row.medium != medium], reminder_id in overtaken
        )
        for (reminder_id, medium), each in facts.items()
    }
