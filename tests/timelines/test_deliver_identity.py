"""One person in several forms: spellings of a number, and hidden numbers that are known by an id alone."""

import json
from collections.abc import Callable

import pytest
from sqlalchemy import text

from consumer.clock import DAY, SECOND
from consumer.onemsg.outcomes import Rejected, Remedy

from .deliver_diary import Diary

Begin = Callable[..., Diary]
BSUID = "ES.103"

SPELLINGS = [
    pytest.param("+55 31 98765 4321", "+55 31 8765 4321", id="Brazil"),
    pytest.param("+52 55 1234 5678", "+52 1 55 1234 5678", id="Mexico"),
    pytest.param("+54 9 11 1234 5678", "+54 11 1234 5678", id="Argentina"),
]


def writes(diary: Diary, body: str, **more: object) -> Diary:
    """Somebody with a hidden number writes to us now: neither author nor chat has digits."""
    hidden = {"author": f"{BSUID}@lid", "chatId": f"{BSUID}@lid", "authorBsuid": BSUID}
    message = {"id": f"wamid.in.{body}", "type": "chat", "body": body, "fromMe": False, "time": now(diary)}
    return diary.posts(json.dumps({"messages": [message | hidden | more]}).encode())


def prefers(diary: Diary, value: str, **more: object) -> Diary:
    preference = {"category": "marketing_messages", "value": value, "timestamp": now(diary), "user_id": BSUID}
    change = {"field": "user_preferences", "value": {"user_preferences": [preference | more]}}
    return diary.posts(json.dumps({"entry": [{"changes": [change]}]}).encode())


def now(diary: Diary) -> int:
    return diary.clock.now() // SECOND


def opted_out(diary: Diary) -> list[str]:
    return [f"{each.user_id} {each.reason}" for each in diary.topics.opt_outs]


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_spellings_of_one_phone_share_a_cap(begin: Begin, one: str, other: str) -> None:
    diary = begin(caps={DAY: 1}).knows("maria", phone=one).knows("m2", phone=other)
    diary.due("maria").works().says("maria accepted")
    diary.due("m2").works().says("m2 deferred frequency_cap").went_out("Maria")


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_spellings_of_one_phone_in_one_batch_share_a_cap(begin: Begin, one: str, other: str) -> None:
    diary = begin(caps={DAY: 1}).knows("maria", phone=one).knows("m2", phone=other)
    diary.due("maria").due("m2").works().went_out("Maria")
    assert sorted(f"{each.status} {each.reason}" for each in diary.unchecked()) == [
        "accepted None",
        "deferred frequency_cap",
    ]


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_spellings_of_one_phone_are_one_recipient_of_the_day(begin: Begin, one: str, other: str) -> None:
    diary = begin(unique_recipients=1).knows("maria", phone=one).knows("m2", phone=other)
    diary.due("maria").works().due("m2").works().says("maria accepted", "m2 accepted")


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_spellings_of_one_phone_share_a_hold(deliver: Diary, one: str, other: str) -> None:
    deliver.onemsg.answers = [Rejected(reason="unreachable", remedy=Remedy.RECIPIENT)]
    deliver.knows("maria", phone=one).knows("m2", phone=other).due("maria").works().due("m2").works()
    deliver.says("maria rejected unreachable", "maria failed unreachable", "m2 suppressed unreachable")


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_spellings_of_one_phone_share_an_opt_out(deliver: Diary, one: str, other: str) -> None:
    deliver.knows("maria", phone=one).hears("stop", phone="".join(filter(str.isdigit, other)))
    deliver.due("maria").works().says("maria suppressed opted_out")


def test_cap_outlives_the_erasure_of_the_number(begin: Begin) -> None:
    diary = begin(caps={DAY: 1}).knows("maria").due("maria").works().forgets("maria").says("maria accepted")
    diary.knows("again").due("again").works().says("again deferred frequency_cap")


def test_hidden_number_that_a_report_named_before(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works()
    deliver.reports("wamid.1", "delivered", phone="34612345678", bsuid=BSUID)
    writes(deliver, "STOP").works()
    assert opted_out(deliver) == ["maria asked_to_stop"]
    deliver.due("maria", "checkout").works().says("maria accepted", "maria delivered", "maria suppressed opted_out")


def test_hidden_number_known_by_the_message_that_a_report_is_about(deliver: Diary) -> None:
    """The report names no phone either, but it is about a message of ours to one."""
    deliver.knows("maria").due("maria").works()
    deliver.reports("wamid.1", "read", phone=None, chatId=f"{BSUID}@lid", bsuid=BSUID)
    writes(deliver, "STOP").works()
    assert opted_out(deliver) == ["maria asked_to_stop"]


def test_hidden_number_that_quotes_our_message(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works()
    writes(deliver, "baja", quotedMsgId="wamid.1").works()
    assert opted_out(deliver) == ["maria asked_to_stop"]


def test_quote_stops_and_never_starts(deliver: Diary) -> None:
    """Anybody may quote the id of a message that went to somebody else."""
    deliver.knows("maria").due("maria").works().says("maria accepted")
    writes(deliver, "please cancel", quotedMsgId="wamid.1")
    writes(deliver.after(SECOND), "STOP", quotedMsgId="wamid.1")
    writes(deliver.after(SECOND), "START", quotedMsgId="wamid.1")
    writes(deliver.after(SECOND), "START").due("maria", "checkout").works().says("maria suppressed opted_out")
    assert not deliver.topics.lifted
    deliver.reports("other", "read", phone="34699999999", bsuid=BSUID)  # that is who they were
    deliver.knows("mallory", phone="+34 699 999 999").due("mallory").works().says("mallory accepted")


def test_what_was_said_beside_a_quote_waits_for_its_own_phone_too(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    writes(deliver, "STOP", quotedMsgId="wamid.1")
    deliver.reports("other", "read", phone="34699999999", bsuid=BSUID)
    deliver.knows("paul", phone="+34 699 999 999").due("paul").works().says("paul suppressed opted_out")


def test_start_beside_a_quote_counts_once_a_report_shows_the_phone(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    writes(deliver, "STOP", quotedMsgId="wamid.1")
    writes(deliver.after(SECOND), "START", quotedMsgId="wamid.1")
    deliver.reports("wamid.1", "read", phone=None, bsuid=BSUID)
    deliver.due("maria", "checkout").works().says("maria read", "maria accepted")


def test_hidden_number_in_metas_form(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works()
    message: dict[str, object] = {"id": "wamid.in", "from_user_id": BSUID, "timestamp": now(deliver), "type": "text"}
    message |= {"text": {"body": "stop"}, "context": {"from": "15550001111", "id": "wamid.1"}}
    deliver.posts(json.dumps({"entry": [{"changes": [{"value": {"messages": [message]}}]}]}).encode()).works()
    assert opted_out(deliver) == ["maria asked_to_stop"]


def test_contact_of_metas_names_the_phone(deliver: Diary) -> None:
    message = {"id": "wamid.in.1", "from_user_id": BSUID, "type": "text", "text": {"body": "hello"}}
    value = {"contacts": [{"wa_id": "34612345678", "user_id": BSUID}], "messages": [message]}
    deliver.knows("maria").posts(json.dumps({"entry": [{"changes": [{"value": value}]}]}).encode())
    writes(deliver, "STOP").due("maria").works().says("maria suppressed opted_out")


def test_preference_with_a_user_id_only(deliver: Diary) -> None:
    deliver.knows("maria").reports("other", "read", phone="34612345678", bsuid=BSUID)
    prefers(deliver, "stop").works()
    assert opted_out(deliver) == ["maria stopped_in_whatsapp"]
    prefers(deliver.after(SECOND), "resume").due("maria").works().says("maria accepted")


def test_request_of_an_unknown_id_waits_until_its_phone_is_known(deliver: Diary) -> None:
    writes(deliver, "STOP").knows("maria").due("maria").works().says("maria accepted")
    deliver.reports("wamid.1", "sent", phone="34612345678", bsuid=BSUID).works()
    assert opted_out(deliver) == ["maria asked_to_stop"]
    deliver.due("maria", "checkout").works().says("maria sent", "maria suppressed opted_out")


def test_requests_of_an_unknown_id_are_applied_in_their_order(deliver: Diary) -> None:
    writes(prefers(deliver, "stop").after(SECOND), "START")
    deliver.knows("maria").reports("other", "read", phone="34612345678", bsuid=BSUID)
    deliver.due("maria").works().says("maria accepted")


def test_likely_stop_of_a_hidden_number_holds_that_person(deliver: Diary) -> None:
    deliver.knows("maria").reports("other", "read", phone="34612345678", bsuid=BSUID)
    writes(deliver, "stop by tomorrow?").due("maria").works().says("maria deferred recipient_hold")


def test_hidden_number_of_somebody_else_stops_nobody(deliver: Diary) -> None:
    deliver.knows("maria").reports("other", "read", phone="34699999999", bsuid=BSUID)
    writes(deliver, "STOP").due("maria").works().says("maria accepted")


def test_start_lifts_nothing_of_a_phone_that_was_theirs_before(deliver: Diary) -> None:
    """The number has a new owner, who does not want to be written to."""
    deliver.reports("one", "read", phone="34699999999", bsuid=BSUID)
    deliver.reports("two", "read", phone="34612345678", bsuid=BSUID)
    deliver.knows("owner", phone="+34 699 999 999").hears("STOP", phone="34699999999").after(SECOND)
    writes(deliver, "START", author="34612345678@c.us")
    writes(deliver, "START")
    deliver.due("owner").works().says("owner suppressed opted_out")
    assert not deliver.topics.lifted


@pytest.mark.parametrize(
    "author",
    ["34612345678:12@s.whatsapp.net", "34612345678.0:3@c.us", "+34 612 345 678", "0034612345678", "+34 (612) 345-678"],
)
def test_phone_of_who_says_stop_in_every_spelling(deliver: Diary, author: str) -> None:
    message = {"id": "wamid.in.1", "body": "STOP", "author": author, "time": now(deliver)}
    deliver.knows("maria").posts(json.dumps({"messages": [message]}).encode()).due("maria").works()
    deliver.says("maria suppressed opted_out")


def test_id_and_phone_are_kept_as_hashes(deliver: Diary) -> None:
    deliver.reports("other", "read", phone="34612345678", bsuid=BSUID)
    writes(deliver, "STOP", authorBsuid="ES.999", author="ES.999@lid", chatId="ES.999@lid")
    with deliver.ledger.reading() as connection:
        for table in ("whatsapp_ids", "unattributed_requests"):
            [row] = connection.execute(text(f"SELECT * FROM {table}")).all()
            assert "612345678" not in str(row)
            assert ".103" not in str(row)
            assert ".999" not in str(row)
