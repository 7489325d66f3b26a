"""One mailbox is one recipient, however many accounts name it and however they spell it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumer.clock import DAY
from consumer.deliver.recipients.identity import email_hash, subjects_of
from consumer.deliver.recipients.opt_outs import opt_out
from consumer.email_address import mailbox_of

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
