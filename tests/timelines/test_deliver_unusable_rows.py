"""One contact, phone or message that raises an error gets a reason of its own, and everybody else is written to."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from consumer.clock import ManualClock, Millis
from consumer.deliver.policy import personal_text
from consumer.deliver.policy.checks import Facts
from consumer.deliver.policy.message_plan import TemplateVariant
from consumer.deliver.recipients import person
from consumer.deliver.sending.claims import Claims
from consumer.deliver.sending.facts import SenderConfig
from consumer.deliver.sending.medium import Draft, Medium, whatsapp_medium
from consumer.deliver.sending.sender import Sender
from consumer.ledger.schema.rows import ReminderRow
from consumer.media.text_template import FallbackText
from consumer.onemsg import phone as phones
from consumer.onemsg.message import TemplateMessage
from consumer.records import Contact
from consumer.testing import LEASE, FakeMedium, email_fallback, webhook_fallback

from .deliver_diary import Diary
from .detect_diary import moment

M = TypeVar("M")
Begin = Callable[..., Diary]
BROKEN = "Broken"


def three_people(diary: Diary, **broken: Any) -> Diary:
    diary.knows("ana", name="Ana", phone="+49 151 2345 6701").knows("broken", name=BROKEN, **broken)
    return diary.knows("cleo", name="Cleo", phone="+49 151 2345 6703").due("ana").due("broken").due("cleo")


def raising_for(broken: str, call: Callable[..., M]) -> Callable[..., M]:
    """Return the function with an error for one argument, whose text must not reach the log."""

    def raises(*arguments: Any) -> M:
        if broken in arguments:
            raise ArithmeticError(f"cannot handle {broken}")
        return call(*arguments)

    return raises


@pytest.mark.parametrize("phone", ["0151123456789012", "0" * 40, "015112345678901234567"])
def test_phone_with_too_many_digits(begin: Begin, phone: str) -> None:
    diary = three_people(begin(default_region="DE"), phone=phone).works()
    diary.says("broken deferred bad_phone", "ana accepted", "cleo accepted").went_out("Ana", "Cleo")


def test_phone_on_which_the_parser_fails(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(person, "normalize_phone", raising_for("+49 666", phones.normalize_phone))
    diary = three_people(begin(), phone="+49 666").works()
    diary.says("broken deferred bad_phone", "ana accepted", "cleo accepted").went_out("Ana", "Cleo")
    diary.forgets("broken").knows("broken", name="Mended", phone="+49 151 2345 6702")
    diary.due("broken", "checkout").works().says("broken accepted", "broken accepted")
    printed = capsys.readouterr().out
    assert "ArithmeticError" in printed
    assert "666" not in printed


def test_contact_that_cannot_be_read(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(person, "usable_name", raising_for(BROKEN, personal_text.usable_name))
    diary = three_people(begin()).works()
    diary.says("broken suppressed unreadable_contact", "ana accepted", "cleo accepted").went_out("Ana", "Cleo")
    printed = capsys.readouterr().out
    assert "contact_unreadable" in printed
    assert BROKEN not in printed


def test_contact_that_cannot_be_read_is_stored_with_the_others_of_its_batch(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person, "normalize_phone", raising_for("+49 666", phones.normalize_phone))
    diary = begin()
    contacts = [
        Contact(user_id=user, name=user, phone=phone, opt_in=True, updated_at=0)
        for user, phone in (("ana", "+49 151 2345 6701"), ("broken", "+49 666"), ("cleo", "+49 151 2345 6703"))
    ]
    diary.parts.intake.take_contacts([diary.received("contacts", contact) for contact in contacts])
    diary.due("broken").due("cleo").works().says("broken deferred bad_phone", "cleo accepted")


def test_whatsapp_message_that_cannot_be_written(begin: Begin, capsys: pytest.CaptureFixture[str]) -> None:
    diary = begin()
    config = diary.parts.claims._config
    claims = Claims(
        diary.ledger,
        _failing_for_broken(config),
        config=config,
        worker="one",
        lease_ms=LEASE,
        clock=diary.clock,
        metrics=diary.metrics,
    )
    diary.parts.sender = Sender(
        claims, diary.parts.recorder.record, client=diary.onemsg, clock=diary.clock, metrics=diary.metrics
    )
    three_people(diary).works()
    diary.says("broken suppressed unwritable", "ana accepted", "cleo accepted").went_out("Ana", "Cleo")
    printed = capsys.readouterr().out
    assert "message_unwritable" in printed
    assert "ArithmeticError" in printed
    assert BROKEN not in printed


def _failing_for_broken(config: SenderConfig) -> Medium[TemplateMessage]:
    whatsapp = whatsapp_medium(config, None)

    def write(row: ReminderRow, facts: Facts, variant: TemplateVariant, now: Millis) -> Draft[TemplateMessage]:
        if facts.name == BROKEN:
            raise ArithmeticError(f"cannot write to {BROKEN}")
        return whatsapp.write(row, facts, variant, now)

    return replace(whatsapp, write=write)


@pytest.mark.parametrize("medium", ["email", "webhook"])
def test_fallback_message_that_cannot_be_written(begin: Begin, medium: str, capsys: pytest.CaptureFixture[str]) -> None:
    fallback = email_fallback if medium == "email" else webhook_fallback
    outbound: FakeMedium[Any] = FakeMedium(ManualClock(moment("Mon 09:00")))
    real: Any = fallback(outbound)

    def write(text: FallbackText, now: Millis) -> Any:
        if text.name == BROKEN:
            raise ArithmeticError(f"cannot write to {text.email}")
        return real.write(text, now)

    diary = begin(fallbacks=[replace(real, write=write)])
    for user in ("ana", "broken", "cleo"):
        diary.knows(user, name=user.title(), phone=None, email=f"{user}@example.com").due(user)
    diary.works()
    assert diary.parts.fallback_planner.step() == 3
    sender = diary.parts.fallback_senders[medium]
    diary.runs(sender.step).publishes()
    ends = {(s.user_id, s.status, s.reason) for s in diary.unchecked() if s.medium == medium}
    assert ends == {("ana", "accepted", None), ("broken", "suppressed", "unwritable"), ("cleo", "accepted", None)}
    assert len(outbound.sent) == 2
    printed = capsys.readouterr().out
    assert "ArithmeticError" in printed
    assert "broken@example.com" not in printed
