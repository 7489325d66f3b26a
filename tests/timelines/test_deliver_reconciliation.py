"""Attempts without an answer, settled by echoes, reports and the message list."""

import json

import pytest

from consumer.clock import DAY, HOUR, MINUTE, SECOND
from consumer.onemsg.outcomes import Accepted, Outcome, Unknown
from consumer.onemsg.webhook.notifications import Echo
from consumer.testing import LEASE

from .deliver_diary import ORDER_TEMPLATE, ORDER_TEXT, TEMPLATE, TEXT, Diary
from .detect_diary import moment

LOST = Unknown(reason="timeout")


def without_answer(deliver: Diary, *answers: Outcome) -> Diary:
    """Return the diary after an attempt for maria without an answer."""
    deliver.lists(TEMPLATE, ORDER_TEMPLATE).onemsg.answers = list(answers or (LOST,))
    return deliver.knows("maria").due("maria").works().says("maria unknown timeout")


def listed(deliver: Diary, message_id: str = "wamid.7", text: str | None = TEXT) -> Echo:
    return Echo(message_id=message_id, recipient="34612345678", at=deliver.clock.now(), body=text)


def test_echo_settles_an_unknown_and_applies_parked_reports(deliver: Diary) -> None:
    without_answer(deliver).reports("wamid.7", "sent", "delivered").works().says_nothing()
    deliver.echoes("wamid.7").works().says("maria accepted", "maria sent", "maria delivered")
    assert [(s.source, s.message_id) for s in deliver.topic[1:]] == [
        ("echo", "wamid.7"),
        ("webhook", "wamid.7"),
        ("webhook", "wamid.7"),
    ]
    deliver.went_out("Maria")


def test_no_report_settles_an_unknown(deliver: Diary) -> None:
    """A status has no text: it may be about a colleague's message in the same chat."""
    without_answer(deliver).reports("wamid.6", "sent", "delivered", "read", phone="34612345678").works().says_nothing()


@pytest.mark.parametrize("text", ["Hello Maria, your parcel is here.", TEXT.replace("account setup", "your order"), ""])
def test_message_of_a_colleague_is_not_taken_for_ours(deliver: Diary, text: str) -> None:
    without_answer(deliver).echoes("wamid.6", text=text).works().says_nothing()
    deliver.onemsg.listed = [listed(deliver, "wamid.6", text)]
    deliver.reports("wamid.6", "delivered", "read").after(2 * MINUTE).works().says_nothing()
    deliver.echoes("wamid.7", at=moment("Mon 09:00")).works().says("maria accepted")
    assert deliver.topic[-1].message_id == "wamid.7"


def test_attempt_whose_text_is_not_known_stays_unknown(deliver: Diary) -> None:
    """The template's text was never listed, so nothing shows whose a message is."""
    deliver.onemsg.answers = [LOST]
    deliver.knows("maria").due("maria").works().says("maria unknown timeout")
    deliver.echoes("wamid.7").after(DAY).works().says("maria unresolved gave_up")


def test_text_is_compared_without_its_line_breaks(deliver: Diary) -> None:
    without_answer(deliver).echoes("wamid.7", text=TEXT.replace("! ", "!\n\n")).works().says("maria accepted")


def test_echo_to_a_hidden_number_settles_an_unknown(deliver: Diary) -> None:
    without_answer(deliver).reports("other", "read", phone="34612345678", bsuid="ES.103")
    echo = {"id": "wamid.7", "fromMe": True, "chatId": "ES.103@lid", "time": moment("Mon 09:00") // SECOND}
    deliver.posts(json.dumps({"messages": [{**echo, "body": TEXT}]}).encode()).works().says("maria accepted")


def test_echo_before_the_lease_ends(deliver: Diary) -> None:
    deliver.lists(TEMPLATE).knows("maria").due("maria")
    assert len(deliver.parts.claims.take(10).attempts) == 1
    deliver.echoes("wamid.7").works().says_nothing()
    deliver.after(LEASE).works().says("maria unknown lease_ran_out", "maria accepted")


def test_echo_of_an_accepted_message_settles_nothing(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.onemsg.answers = [LOST]
    deliver.after(MINUTE).due("maria", "checkout").works().says("maria unknown timeout")
    deliver.echoes("wamid.1").works().says_nothing()


def test_two_echoes_settle_nothing(deliver: Diary) -> None:
    deliver.lists(TEMPLATE).knows("maria").due("maria")
    assert len(deliver.parts.claims.take(10).attempts) == 1
    deliver.echoes("wamid.7").echoes("wamid.8").after(LEASE).works().says("maria unknown lease_ran_out")
    deliver.after(HOUR).works().says_nothing()


def test_two_unknowns_in_one_chat(deliver: Diary) -> None:
    deliver.lists(TEMPLATE, ORDER_TEMPLATE).onemsg.answers = [LOST, LOST]
    deliver.knows("maria").due("maria").works().due("maria", "checkout").works()
    deliver.says("maria unknown timeout", "maria unknown timeout")
    deliver.echoes("wamid.7").works().says_nothing()


def test_echo_of_another_chat_or_time_settles_nothing(deliver: Diary) -> None:
    without_answer(deliver).echoes("wamid.7", phone="34612345679")
    deliver.echoes("wamid.8", at=deliver.clock.now() - HOUR).works().says_nothing()


def test_message_list_is_polled_with_backoff_and_settles_an_unknown(deliver: Diary) -> None:
    without_answer(deliver)
    seen = listed(deliver)
    start = deliver.clock.now()
    for minute in range(1, 32):
        deliver.at(f"Mon 09:{minute:02}").works()
    assert [(at - start) // MINUTE for at in deliver.onemsg.list_requests] == [2, 6, 14, 30]
    assert deliver.onemsg.asked == []
    deliver.onemsg.listed = [seen]
    deliver.at("Mon 10:02").works().says("maria accepted")
    assert (deliver.topic[-1].source, deliver.topic[-1].message_id) == ("check", "wamid.7")
    assert deliver.topic[-1].occurred_at == seen.at
    deliver.onemsg.listed = []
    deliver.reports("wamid.7", "read").works().says("maria read")


def test_message_list_with_two_that_fit_settles_nothing(deliver: Diary) -> None:
    without_answer(deliver).onemsg.listed = [listed(deliver, "wamid.7"), listed(deliver, "wamid.8")]
    deliver.after(2 * MINUTE).works().says_nothing()


def test_message_list_ignores_claimed_and_other_messages(deliver: Diary) -> None:
    deliver.lists(TEMPLATE, ORDER_TEMPLATE).knows("maria").due("maria").works().says("maria accepted")
    deliver.onemsg.answers = [LOST]
    deliver.due("maria", "checkout").works().says("maria unknown timeout")
    others = [listed(deliver, "wamid.1"), listed(deliver, "wamid.6", "How are you?"), listed(deliver, "wamid.5", None)]
    deliver.onemsg.listed = [*others, listed(deliver, "wamid.7", ORDER_TEXT)]
    deliver.after(2 * MINUTE).works().says("maria accepted")
    assert deliver.topic[-1].message_id == "wamid.7"


def test_echo_settles_an_unresolved(deliver: Diary) -> None:
    without_answer(deliver)
    sent = deliver.clock.now()
    deliver.after(DAY).works().says("maria unresolved gave_up")
    deliver.echoes("wamid.7", at=sent + SECOND).works().says("maria accepted")
    looked = len(deliver.onemsg.list_requests)
    deliver.after(DAY).works()
    assert len(deliver.onemsg.list_requests) == looked


def test_late_answer_takes_precedence_over_an_echo(deliver: Diary) -> None:
    without_answer(deliver, Unknown(reason="timeout"), Accepted(message_id="wamid.2"))
    deliver.due("maria", "checkout").works().says("maria accepted")
    deliver.echoes("wamid.2").echoes("wamid.7").works().says("maria accepted")
    assert deliver.topic[-1].message_id == "wamid.7"
