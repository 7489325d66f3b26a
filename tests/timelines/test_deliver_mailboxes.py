"""One mailbox is one recipient, however many accounts name it and however they spell it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumer.clock import DAY, MINUTE
from consumer.deliver.recipients.identity import email_hash, subjects_of
from consumer.deliver.recipients.opt_outs import opt_out
from consumer.email_address import mailbox_of
from consumer.onemsg.outcomes import Rejected, Remedy

from .fallback_diary import FallbackDiary

Begin = Callable[..., FallbackDiary]


@pytest.fixture
def begin(ledger_url: str, tmp_path: Path) -> Iterator[Begin]:
    begun: list[FallbackDiary] = []

    def open_diary() -> FallbackDiary:
        begun.append(FallbackDiary(tmp_path, url=ledger_url, media=("email",), caps={DAY: 1}))
        begun[-1].detect_is_at()
        return begun[-1]

    yield open_diary
    for diary in begun:
        diary.close()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("maria@example.com", "Maria@example.com", True),
        ("maria+shop@example.com", "maria+other@example.com", True),
        ("maria@example.com", "maria@example.org", False),
        ("m.aria@example.com", "maria@example.com", False),
        ("m.ar.ia+x@gmail.com", "maria@googlemail.com", True),
        ("+a@example.com", "+b@example.com", False),
    ],
)
def test_spellings_of_one_mailbox(one: str, other: str, same: bool) -> None:
    assert (mailbox_of(one) == mailbox_of(other)) is same


def test_many_accounts_with_one_address_get_one_email_a_day(begin: Begin) -> None:
    diary = begin()
    for number, address in enumerate(("victim@example.com", "Victim@example.com", "victim+1@example.com")):
        diary.knows_by_mail(f"m{number}", address).due(f"m{number}")
    diary.works()
    assert len(diary.mail.sent) == 1
    assert sorted(s.reason or "" for s in diary.unchecked() if s.medium == "email") == [
        *("", "frequency_cap", "frequency_cap")
    ]
    diary.knows_by_mail("m3", "victim@example.com").due("m3").works()
    diary.tells("m3 whatsapp suppressed no_phone", "m3 email deferred frequency_cap")
    diary.at("Tue 09:00").detect_is_at().works()
    assert len(diary.mail.sent) == 2


def test_others_are_not_kept_waiting(begin: Begin) -> None:
    diary = begin().knows_by_mail("maria", "maria@example.com").knows_by_mail("paul", "paul@example.com")
    diary.due("maria").due("paul").works()
    assert isinstance(diary, FallbackDiary)
    diary.mailed("maria@example.com", "paul@example.com")


def test_address_does_not_count_for_whatsapp(begin: Begin) -> None:
    """Whoever writes somebody's address into an account of their own must not keep that person's messages back."""
    diary = begin().knows_by_mail("mallory", "maria@example.com").due("mallory").works()
    diary.knows("maria", email="maria@example.com").due("maria").works()
    diary.went_out("Maria")


def test_opt_out_of_a_mailbox_counts_for_every_account_and_for_email_alone(begin: Begin) -> None:
    diary = begin()
    stopped = subjects_of(None, None, email_hash("maria@example.com", diary.ledger.hash_key))
    with diary.ledger.transaction() as connection:
        opt_out(connection, stopped, "email", "by_operator", "operator", diary.clock.now())
    diary.knows_by_mail("other", "Maria+2@example.com").due("other").works()
    diary.tells("other whatsapp suppressed no_phone", "other email suppressed opted_out").mailed()
    diary.knows("maria", email="maria@example.com").due("maria").works()
    diary.went_out("Maria")


def test_likely_opt_out_holds_the_mailbox_of_whoever_said_it(begin: Begin) -> None:
    """What may have been a stop counts for every account with the address, until somebody has read it."""
    diary = begin()
    diary.knows("maria", email="maria@example.com").hears("can you stop sending me these things")
    diary.knows_by_mail("other", "Maria+2@example.com").due("other")
    diary.knows_by_mail("paul", "paul@example.com").due("paul").works()
    diary.tells(
        "other whatsapp suppressed no_phone",
        "paul whatsapp suppressed no_phone",
        "other email deferred recipient_hold",
        "paul email accepted",
    )
    diary.at("Mon 15:00").detect_is_at().hears("START", message="wamid.in.2").works()
    diary.tells("other email accepted").mailed("paul@example.com", "Maria+2@example.com")


def test_stop_of_another_account_holds_the_mailbox_until_it_is_lifted(begin: Begin) -> None:
    diary = begin()
    diary.knows("maria", email="maria@example.com").hears("STOP")
    diary.knows_by_mail("other", "maria@example.com").due("other").works()
    diary.tells("other whatsapp suppressed no_phone", "other email deferred recipient_hold")
    diary.after(MINUTE).hears("START", message="wamid.in.2").works()
    diary.tells("other email accepted").mailed("maria@example.com")


def test_likely_opt_out_of_an_account_without_a_phone_does_not_count_for_whatsapp(begin: Begin) -> None:
    """Whoever names somebody's address must not keep that person's messages back."""
    diary = begin().knows("mallory", phone="+34 612 000 009", email="maria@example.com")
    diary.hears("can you stop sending me these things", "34612000009").knows("maria", email="maria@example.com").due(
        "maria"
    ).works()
    diary.went_out("Maria")


def test_mailbox_that_does_not_exist_gets_no_second_email_from_any_account(begin: Begin) -> None:
    diary = begin()
    diary.mail.answers = [Rejected(reason="unreachable", remedy=Remedy.RECIPIENT, error_code=550)]
    diary.knows_by_mail("maria", "gone@example.com").due("maria").works()
    diary.tells(
        "maria whatsapp suppressed no_phone", "maria email rejected unreachable", "maria email failed unreachable"
    )
    diary.at("Wed 09:00").detect_is_at()
    diary.knows_by_mail("other", "Gone+1@example.com").due("other").works()
    diary.tells("other whatsapp suppressed no_phone", "other email suppressed unreachable").mailed("gone@example.com")
    diary.knows("other", email="gone@example.com").due("other", "checkout").works()
    diary.went_out("Maria")


def test_unreachable_mailbox_is_tried_again_after_a_month(begin: Begin) -> None:
    diary = begin()
    diary.mail.answers = [Rejected(reason="unreachable", remedy=Remedy.RECIPIENT, error_code=550)]
    diary.knows_by_mail("maria", "gone@example.com").due("maria").works().after(31 * DAY)
    diary.detect_is_at().due("maria").works()
    assert isinstance(diary, FallbackDiary)
    diary.mailed("gone@example.com", "gone@example.com")


def test_unreachable_phone_still_gets_its_email(begin: Begin) -> None:
    diary = begin()
    diary.knows("maria", email="maria@example.com")
    diary.onemsg.answers = [Rejected(reason="unreachable", remedy=Remedy.RECIPIENT, error_code=131026)]
    diary.due("maria").works()
    diary.tells("maria whatsapp rejected unreachable", "maria whatsapp failed unreachable", "maria email accepted")
