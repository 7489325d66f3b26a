"""Attempts without an answer, settled by echoes, reports and the message list."""

from consumer.clock import DAY, HOUR, MINUTE, SECOND
from consumer.onemsg.outcomes import Accepted, Outcome, Unknown
from consumer.onemsg.webhook.notifications import Echo
from consumer.testing import LEASE

from .deliver_diary import Diary

LOST = Unknown(reason="timeout")


def without_answer(deliver: Diary, *answers: Outcome) -> Diary:
    """Return the diary after an attempt for maria without an answer."""
    deliver.onemsg.answers = list(answers or (LOST,))
    return deliver.knows("maria").due("maria").works().says("maria unknown timeout")


def listed(deliver: Diary, message_id: str = "wamid.7", phone: str = "34612345678") -> Echo:
    return Echo(message_id=message_id, recipient=phone, at=deliver.clock.now())


def test_echo_settles_an_unknown_and_applies_parked_reports(deliver: Diary) -> None:
    without_answer(deliver).reports("wamid.7", "sent", "delivered").works().says_nothing()
    deliver.echoes("wamid.7").works().says("maria accepted", "maria sent", "maria delivered")
    assert [(s.source, s.message_id) for s in deliver.topic[1:]] == [
        ("echo", "wamid.7"),
        ("webhook", "wamid.7"),
        ("webhook", "wamid.7"),
    ]
    deliver.went_out("Maria")


def test_sent_report_with_the_phone_settles_an_unknown(deliver: Diary) -> None:
    without_answer(deliver).reports("wamid.7", "sent", phone="34612345678").works()
    deliver.says("maria accepted", "maria sent")
    assert deliver.topic[-2].source == "webhook"
    deliver.reports("wamid.7", "read").works().says("maria read").went_out("Maria")


def test_delivered_report_settles_no_unknown(deliver: Diary) -> None:
    without_answer(deliver).reports("wamid.6", "delivered", "read", phone="34612345678").works().says_nothing()
    deliver.reports("wamid.7", "sent", phone="34699999999").works().says_nothing()


def test_two_sent_reports_settle_nothing(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    assert len(deliver.parts.claims.take(10).attempts) == 1
    for message in ("wamid.7", "wamid.8"):
        deliver.reports(message, "sent", phone="34612345678")
    deliver.after(LEASE).works().says("maria unknown lease_ran_out")


def test_echo_before_the_lease_ends(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    assert len(deliver.parts.claims.take(10).attempts) == 1
    deliver.echoes("wamid.7").works().says_nothing()
    deliver.after(LEASE).works().says("maria unknown lease_ran_out", "maria accepted")


def test_echo_of_an_accepted_message_settles_nothing(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.onemsg.answers = [LOST]
    deliver.after(MINUTE).due("maria", "checkout").works().says("maria unknown timeout")
    deliver.echoes("wamid.1").works().says_nothing()


def test_two_echoes_settle_nothing(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    assert len(deliver.parts.claims.take(10).attempts) == 1
    deliver.echoes("wamid.7").echoes("wamid.8").after(LEASE).works().says("maria unknown lease_ran_out")
    deliver.after(HOUR).works().says_nothing()


def test_two_unknowns_in_one_chat(deliver: Diary) -> None:
    deliver.onemsg.answers = [LOST, LOST]
    deliver.knows("maria").due("maria").works().due("maria", "checkout").works()
    deliver.says("maria unknown timeout", "maria unknown timeout")
    deliver.echoes("wamid.7").works().says_nothing()


def test_report_without_a_phone_settles_nothing(deliver: Diary) -> None:
    without_answer(deliver).reports("wamid.7", "delivered", phone="34612345678").works().says_nothing()


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


def test_message_list_with_two_or_one_unclaimed(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.onemsg.answers = [LOST]
    deliver.due("maria", "checkout").works().says("maria unknown timeout")
    deliver.onemsg.listed = [listed(deliver, "wamid.1"), listed(deliver, "wamid.7"), listed(deliver, "wamid.8")]
    deliver.after(2 * MINUTE).works().says_nothing()


def test_message_list_ignores_claimed_messages(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.onemsg.answers = [LOST]
    deliver.due("maria", "checkout").works().says("maria unknown timeout")
    deliver.onemsg.listed = [listed(deliver, "wamid.1"), listed(deliver, "wamid.7")]
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
