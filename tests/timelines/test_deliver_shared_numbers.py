"""Several accounts with one number: what a stranger's record about it, or words beside it, cannot do to its owner."""

import pytest
from sqlalchemy import select

from consumer.clock import MINUTE
from consumer.deliver.recipients.identity import phone_hash
from consumer.ledger import queries
from consumer.ledger.queries.opt_outs import StoredOptOut
from consumer.ledger.schema.tables import inbound_messages

from .deliver_diary import Diary

VICTIM = "+34 612 345 678"


def agrees(diary: Diary, user: str, phone: str = VICTIM) -> Diary:
    """The contact of this user says that they agreed a moment ago."""
    diary.after(MINUTE).knows(user, phone=phone, opted_in_at=diary.clock.now() - 1)
    return diary.detect_is_at()


WORDS = pytest.mark.parametrize(
    ("words", "answer"), [("STOP", "suppressed opted_out"), ("please cancel", "deferred recipient_hold")]
)


@WORDS
def test_new_account_with_the_number_lifts_nothing(deliver: Diary, words: str, answer: str) -> None:
    deliver.knows("victim").hears(words)
    agrees(deliver, "mallory").due("mallory").due("victim").works()
    deliver.says(f"mallory {answer}", f"victim {answer}").went_out()
    assert not deliver.topics.lifted


@WORDS
def test_account_that_had_the_number_before_speaks_for_itself_alone(deliver: Diary, words: str, answer: str) -> None:
    """The no came from the number and counts for both users, so it ends when both have taken it back."""
    deliver.knows("victim").knows("mallory").hears(words)
    agrees(deliver, "mallory").due("mallory").works().says(f"mallory {answer}").went_out()
    assert {each.subject for each in deliver.topics.lifted} <= {"user:mallory"}
    agrees(deliver, "victim").due("victim", "checkout").works()
    assert "victim accepted" in {f"{each.user_id} {each.status}" for each in deliver.unchecked()}


@pytest.mark.parametrize("when", ["before", "after"])
def test_own_opt_out_from_another_number_lifts_nothing_here(deliver: Diary, when: str) -> None:
    """Mallory says STOP on a phone of their own, and takes the victim's number then."""
    deliver.knows("victim").knows("mallory", phone="+34 699 999 999")
    for phone in ("34699999999", "34612345678") if when == "before" else ("34612345678", "34699999999"):
        deliver.after(MINUTE).hears("STOP", phone=phone, message=f"wamid.in.{phone}")
    agrees(deliver, "mallory").due("mallory").works().says("mallory suppressed opted_out").went_out()


def test_person_with_one_account_says_stop_and_agrees_later(deliver: Diary) -> None:
    deliver.knows("maria").hears("STOP")
    agrees(deliver, "maria").due("maria").works().says("maria accepted")
    assert [each.subject.split(":")[0] for each in deliver.topics.lifted] == ["phone", "user"]


def test_new_account_of_the_same_person_is_asked_for_start(deliver: Diary) -> None:
    deliver.knows("maria").hears("STOP")
    agrees(deliver, "maria2").due("maria2").works().says("maria2 suppressed opted_out")
    deliver.after(MINUTE).hears("START", message="wamid.in.2").due("maria2", "checkout").works().says("maria2 accepted")


def test_new_owner_of_a_number_is_asked_for_start(deliver: Diary) -> None:
    deliver.knows("maria").hears("STOP").knows("maria", phone="+34 699 999 999")
    agrees(deliver, "owner").due("owner").works().says("owner suppressed opted_out")
    agrees(deliver, "maria", "+34 699 999 999").due("maria").works().says("maria accepted")
    assert {each.subject for each in deliver.topics.lifted} == {"user:maria"}
    deliver.after(MINUTE).hears("START", message="wamid.in.2").due("owner", "checkout").works().says("owner accepted")


def test_stop_that_the_account_did_not_hear_is_no_word_of_its_own(deliver: Diary) -> None:
    """The contact was deleted when the phone said STOP again."""
    deliver.knows("maria").hears("STOP").forgets("maria").after(MINUTE).hears("STOP", message="wamid.in.2")
    agrees(deliver, "maria").due("maria").works().says("maria suppressed opted_out").went_out()


def test_ledger_that_was_filled_from_the_topic_decides_alike(deliver: Diary) -> None:
    """A new one has the opt-outs before the contacts."""
    maria, paul = (f"phone:{phone_hash(each, deliver.ledger.hash_key)}" for each in ("34612345678", "34677777777"))
    said = [("user:maria", 1), (maria, 1), ("user:paul", 2), (paul, 2), ("user:mallory", 3)]
    begun = deliver.clock.now()
    with deliver.ledger.transaction() as connection:
        stored = (StoredOptOut(subject, "whatsapp", "asked_to_stop", "webhook", begun + at) for subject, at in said)
        queries.opt_outs.record(connection, list(stored))
    agrees(agrees(deliver, "maria"), "mallory", "+34 677 777 777").due("maria").due("mallory").works()
    assert {f"{each.user_id} {each.reason}" for each in deliver.unchecked()} == {"maria None", "mallory opted_out"}


def test_deleting_one_account_keeps_what_belongs_to_the_number(deliver: Diary) -> None:
    """Its owner's words wait for an operator until the last account with the number is deleted."""
    broken = b'{"broken": "34612345678", '
    deliver.knows("victim").hears("please stop, my words").posts(broken).knows("mallory").forgets("mallory")
    assert words(deliver) == ["please stop, my words"]
    assert deliver.kept_bodies() == [broken]
    deliver.forgets("victim")
    assert words(deliver) == []
    assert deliver.kept_bodies() == []


def words(diary: Diary) -> list[str]:
    with diary.ledger.reading() as connection:
        return list(connection.scalars(select(inbound_messages.c.body).order_by(inbound_messages.c.received_at)))


def test_deleting_one_account_keeps_why_an_operator_opted_the_number_out(deliver: Diary) -> None:
    number = f"phone:{phone_hash('34612345678', deliver.ledger.hash_key)}"
    subjects = ["user:mallory", "user:victim", number]
    deliver.knows("victim").knows("mallory")
    with deliver.ledger.transaction() as connection:
        queries.opt_outs.journal(connection, subjects, "add", "asked by letter", deliver.clock.now())
    deliver.forgets("mallory")
    with deliver.ledger.reading() as connection:
        why = {each.subject: each.why for each in queries.opt_outs.journal_of(connection, subjects)}
    assert why == {"user:mallory": None, "user:victim": "asked by letter", number: "asked by letter"}
