"""Failures that no table explains: one ends a reminder, those of several people in a row stop the channel."""

import asyncio

import pytest

from consumer.clock import HOUR, MINUTE, SECOND, Clock
from consumer.ledger import queries
from consumer.ledger.schema.rows import ChannelRow
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.outcomes import Accepted, Outcome, Rejected, Remedy, Unknown
from consumer.testing import FakeOneMsg

from ..onemsg.scripted_server import Asked, answer, serving
from .deliver_diary import Diary
from .fallback_diary import FallbackDiary

NAMES = [f"user{n}" for n in range(12)]
WORDS = "Your plan has been suspended, contact sales"


def unexplained(words: str = WORDS, code: int | None = None) -> Rejected:
    return Rejected(reason="unknown_error", remedy=Remedy.MESSAGE, error_code=code, error=words)


def everybody_is_due(deliver: Diary, *answers: Outcome, people: int = len(NAMES)) -> Diary:
    deliver.onemsg.answers = list(answers)
    for number, name in enumerate(NAMES[:people]):
        deliver.knows(name, name=name, phone=f"+34 612 345 6{number:02}")
    for name in NAMES[:people]:
        deliver.after(SECOND).due(name).works_in_silence()
    return deliver.publishes()


def breaker(deliver: Diary, medium: str = "whatsapp") -> ChannelRow:
    with deliver.ledger.reading() as connection:
        return queries.channels.states(connection, medium)[medium]


class PickyOneMsg(FakeOneMsg):
    """Refuses some people, by name, however often they are tried."""

    def __init__(self, clock: Clock, refusals: dict[str, Rejected]) -> None:
        super().__init__(clock)
        self.refusals = refusals

    async def send_template(self, message: TemplateMessage) -> Outcome:
        outcome = await super().send_template(message)
        return self.refusals.get(message.params[0], outcome)


def records(deliver: Diary) -> list[str]:
    return [f"{each.user_id} {each.status} {each.reason}" for each in deliver.unchecked()]


def without_users(deliver: Diary) -> list[str]:
    return [each.partition(" ")[2] for each in records(deliver)]


def test_same_unexplained_failure_of_three_people_stops_the_channel(deliver: Diary) -> None:
    everybody_is_due(deliver, *[unexplained()] * 12)
    said = records(deliver)
    assert [each for each in said if "failed" in each] == ["user0 failed unknown_error", "user1 failed unknown_error"]
    assert "user2 rejected repeated_failure" in said
    assert [each for each in said if "deferred" in each] == [f"{name} deferred channel_stopped" for name in NAMES[2:]]
    assert breaker(deliver).why == f"repeated_failure: {WORDS}"
    deliver.went_out(*NAMES[:3])


def test_probe_with_the_same_failure_ends_nobody_and_makes_the_next_pause_longer(deliver: Diary) -> None:
    everybody_is_due(deliver, *[unexplained()] * 12).unchecked()
    deliver.after(MINUTE).detect_is_at().works()
    assert without_users(deliver) == ["rejected repeated_failure", "deferred channel_stopped"]
    assert breaker(deliver).probe_at == deliver.clock.now() + 2 * MINUTE
    deliver.after(2 * MINUTE).onemsg.answers = [unexplained("Something else entirely")]
    deliver.detect_is_at().works()
    assert without_users(deliver) == ["rejected repeated_failure", "deferred channel_stopped"]
    assert breaker(deliver).probe_at == deliver.clock.now() + 4 * MINUTE


def test_probe_that_is_accepted_lets_everybody_go(deliver: Diary) -> None:
    everybody_is_due(deliver, *[unexplained()] * 3).unchecked()
    deliver.after(MINUTE).detect_is_at().works()
    assert sorted(records(deliver)) == sorted(f"{name} accepted None" for name in NAMES[2:])
    assert breaker(deliver) == ChannelRow("whatsapp")


def test_probe_refused_for_the_person_keeps_the_channel_stopped(deliver: Diary) -> None:
    """Not on WhatsApp: that is about the person, and shows nothing about the channel."""
    everybody_is_due(deliver, *[unexplained()] * 3).unchecked()
    deliver.onemsg.answers = [Rejected(reason="unreachable", remedy=Remedy.RECIPIENT, error_code=131026)]
    deliver.after(MINUTE).detect_is_at().works()
    assert without_users(deliver) == ["rejected unreachable", "failed unreachable"]
    assert breaker(deliver).why == f"repeated_failure: {WORDS}"


FAULT_A, FAULT_B, FAULT_C = unexplained("Fault A"), unexplained("Fault B"), unexplained("Fault C")
EXPLAINED = Rejected(reason="experiment", remedy=Remedy.MESSAGE, error_code=130472)
NO_ANSWER = Unknown(reason="timeout")


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([FAULT_A, FAULT_B] * 6, id="two in turn"),
        pytest.param([FAULT_A, FAULT_B, FAULT_C] * 4, id="three in turn"),
        pytest.param([unexplained(f"Failure {letter}") for letter in "abcdefghijkl"], id="each another"),
        pytest.param([unexplained("x", 131998), unexplained("x", 131999)] * 6, id="codes in turn"),
        pytest.param([unexplained(f"at 2026-11-29T00:00:{n:02}Z: {n:032x}") for n in range(12)], id="trace ids"),
        pytest.param([Rejected(reason="bad_request", remedy=Remedy.MESSAGE), FAULT_A] * 6, id="other reasons"),
    ],
)
def test_unexplained_failures_in_a_row_stop_the_channel_whatever_the_words(
    deliver: Diary, answers: list[Outcome]
) -> None:
    everybody_is_due(deliver, *answers, people=5)
    deliver.went_out(*NAMES[:3])
    assert [row.status for row in deliver.rows()].count("failed") == 2
    assert breaker(deliver).stopped_because == "repeated_failure"


def test_breaker_tells_all_that_was_said(deliver: Diary) -> None:
    everybody_is_due(deliver, FAULT_A, unexplained("Fault B, trace 7f2c"), unexplained("fault a!"), people=3)
    assert breaker(deliver).why == "repeated_failure: Fault A; Fault B, trace 7f2c"


@pytest.mark.parametrize("between", [EXPLAINED, NO_ANSWER], ids=["explained", "no answer"])
def test_what_shows_nothing_of_the_channel_does_not_break_the_row(deliver: Diary, between: Outcome) -> None:
    everybody_is_due(deliver, *[FAULT_A, between, FAULT_B, between, FAULT_C], people=5)
    assert breaker(deliver).stopped_because == "repeated_failure"
    assert [row.reason for row in deliver.rows()].count("unknown_error") == 2


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([FAULT_A, FAULT_B, Accepted(message_id="a")] * 4, id="something goes through"),
        pytest.param([EXPLAINED] * 12, id="explained"),
    ],
)
def test_other_failures_stop_nothing(deliver: Diary, answers: list[Outcome]) -> None:
    everybody_is_due(deliver, *answers)
    assert breaker(deliver).stopped_because is None
    deliver.went_out(*NAMES)


def test_three_users_of_one_phone_are_one_person(deliver: Diary) -> None:
    deliver.onemsg.answers = [unexplained()] * 3
    for name in NAMES[:3]:
        deliver.knows(name, name=name).due(name).works()
    deliver.went_out(*NAMES[:3])
    assert breaker(deliver).stopped_because is None


def test_outage_that_is_called_temporary_ends_two_reminders_of_six(deliver: Diary) -> None:
    """Meta is down and says so each time; everybody's three tries are used up within minutes."""
    outage = Rejected(reason="provider_unavailable", remedy=Remedy.TRANSIENT, error_code=131016, error="unavailable")
    down = PickyOneMsg(deliver.clock, dict.fromkeys(NAMES, outage))
    everybody_is_due(deliver.talks_to(down), people=6)
    for _ in range(3):
        deliver.after(2 * MINUTE).detect_is_at().works_in_silence()
    assert sorted({row.reason or "" for row in deliver.rows()}) == ["channel_stopped", "provider_unavailable"]
    assert breaker(deliver).why == "repeated_failure: unavailable"
    down.refusals = {}
    deliver.after(HOUR).detect_is_at().works_in_silence()
    assert sorted(row.status for row in deliver.rows()) == ["accepted"] * 4 + ["failed"] * 2


def test_people_who_can_be_sent_nothing_are_not_every_probe(deliver: Diary) -> None:
    """Three people whose data nobody can send come first; the channel works for all others."""
    picky = PickyOneMsg(deliver.clock, {name: unexplained(f"cannot write to {name}") for name in NAMES[:3]})
    everybody_is_due(deliver.talks_to(picky), people=6)
    assert [message.params[0] for message in picky.sent] == NAMES[:3]
    for _ in range(2):
        deliver.after(HOUR).detect_is_at().works_in_silence()
    assert [message.params[0] for message in picky.sent[3:5]] == ["user2", "user3"]
    assert sorted(row.status for row in deliver.rows()) == ["accepted"] * 3 + ["failed"] * 3


def test_template_that_fails_for_everybody_is_not_hidden_by_one_that_works(deliver: Diary) -> None:
    for number, name in enumerate(NAMES[:8]):
        deliver.knows(name, name=name, phone=f"+34 612 345 6{number:02}")
        process = "checkout" if number % 2 else "account-setup"
        deliver.onemsg.answers = [FAULT_A if number % 4 == 1 else FAULT_B] if number % 2 else []
        deliver.due(name, process).works_in_silence()
    with deliver.ledger.reading() as connection:
        breakers = queries.channels.states(connection, "whatsapp")
    assert breakers["whatsapp/order_waiting/en"].why == "repeated_failure: Fault A; Fault B"
    assert breakers["whatsapp"].stopped_because is None
    checkout = [row for row in deliver.rows() if row.process == "checkout"]
    assert [row.status for row in checkout].count("failed") == 2
    assert {row.reason for row in checkout if row.status == "deferred"} == {"template_unusable"}
    deliver.onemsg.answers = []
    deliver.after(2 * MINUTE).detect_is_at().works_in_silence()
    assert [row.status for row in deliver.rows()].count("accepted") == 4 + 2


def test_numbers_in_the_words_make_no_difference(deliver: Diary) -> None:
    everybody_is_due(deliver, *[unexplained(f"request {n} refused, quota of … is used") for n in range(12)])
    deliver.went_out(*NAMES[:3])


@pytest.mark.parametrize(
    "words",
    [
        [f"Weird fault (trace {letter}7f-{letter}{letter}2c)" for letter in "abc"],
        ["Weird fault", "WEIRD  FAULT.", "weird-fault!"],
    ],
)
def test_ids_and_punctuation_in_the_words_make_no_difference(deliver: Diary, words: list[str]) -> None:
    everybody_is_due(deliver, *[unexplained(each) for each in words])
    assert breaker(deliver).stopped_because == "repeated_failure"


def test_one_person_with_several_failures_stops_nothing(deliver: Diary) -> None:
    deliver.knows("maria")
    for _ in range(4):
        deliver.onemsg.answers = [unexplained()]
        deliver.after(3 * HOUR).detect_is_at().due("maria", "checkout").works()
    assert breaker(deliver).stopped_because is None


def fails_later(deliver: Diary, message: int, words: str = WORDS) -> Diary:
    return deliver.reports(f"wamid.{message}", "failed", error=words)


def test_same_unexplained_report_of_three_people_stops_the_channel(deliver: Diary) -> None:
    for number, name in enumerate(NAMES[:3], 1):
        deliver.knows(name, name=name, phone=f"+34 612 345 60{number}").due(name).works()
        fails_later(deliver, number).works()
    deliver.says(
        "user0 accepted", "user0 failed unknown_error",
        "user1 accepted", "user1 failed unknown_error",
        "user2 accepted", "user2 failed repeated_failure", "user2 deferred channel_stopped",
    )  # fmt: skip
    deliver.knows("user4", name="user4", phone="+34 612 345 604").due("user4").works()
    deliver.says("user4 deferred channel_stopped")
    assert breaker(deliver).why == f"repeated_failure: {WORDS}"


def stopped_by_reports(deliver: Diary) -> Diary:
    test_same_unexplained_report_of_three_people_stops_the_channel(deliver)
    deliver.after(MINUTE).detect_is_at().works().says("user2 accepted")
    return deliver


def test_accepted_probe_alone_does_not_open_what_a_report_had_stopped(deliver: Diary) -> None:
    stopped_by_reports(deliver).after(MINUTE).detect_is_at().works().says_nothing()
    fails_later(deliver, 4).works().says("user2 failed repeated_failure", "user2 deferred channel_stopped")
    deliver.after(2 * MINUTE).detect_is_at().works()
    assert without_users(deliver) == ["accepted None"]


def test_delivered_probe_opens_what_a_report_had_stopped(deliver: Diary) -> None:
    stopped_by_reports(deliver).after(SECOND).reports("wamid.4", "delivered").works()
    deliver.says("user2 delivered", "user4 accepted")


def test_two_accepted_probes_without_a_report_open_it(deliver: Diary) -> None:
    """The webhook may be silent; then nothing is ever delivered."""
    stopped_by_reports(deliver).after(15 * MINUTE).detect_is_at().works().says("user4 accepted")
    assert breaker(deliver) == ChannelRow("whatsapp")


def test_other_reports_of_people_in_a_row_stop_the_channel_too(deliver: Diary) -> None:
    for number, name in enumerate(NAMES[:4], 1):
        deliver.knows(name, name=name, phone=f"+34 612 345 60{number}").due(name).works()
        fails_later(deliver, number, "Fault A" if number % 2 else "Fault B").works()
    assert breaker(deliver).why == "repeated_failure: Fault A; Fault B"
    deliver.went_out(*NAMES[:3])


def test_delivery_between_the_reports_ends_the_row(deliver: Diary) -> None:
    for number, name in enumerate(NAMES[:6], 1):
        deliver.knows(name, name=name, phone=f"+34 612 345 6{number:02}").due(name).works()
        deliver.reports(f"wamid.{number}", "delivered") if number % 3 == 0 else fails_later(deliver, number)
        deliver.works()
    assert breaker(deliver).stopped_because is None
    deliver.went_out(*NAMES[:6])


def test_late_delivery_of_an_older_message_hides_no_pattern(deliver: Diary) -> None:
    """A phone that was off for a day says nothing about what is wrong now."""
    deliver.knows("old", name="old", phone="+34 612 345 699").due("old").works().after(HOUR).detect_is_at()
    for number, name in enumerate(NAMES[:3], 2):
        deliver.knows(name, name=name, phone=f"+34 612 345 60{number}").due(name).works()
        fails_later(deliver, number).reports("wamid.1", "delivered" if number == 2 else "read").works()
    assert breaker(deliver).stopped_because == "repeated_failure"


def test_receiver_that_is_incapable_is_held_and_falls_back(fallback: FallbackDiary) -> None:
    fallback.onemsg.answers = []
    fallback.knows("u1", email="maria@shop.example").due("u1").works()
    fallback.reports("wamid.1", "failed", error="Receiver is incapable of receiving this message")
    fallback.works().after(HOUR).detect_is_at().works()
    told = [f"{each.medium} {each.status} {each.reason}" for each in fallback.unchecked()]
    assert told[:2] == ["whatsapp accepted None", "whatsapp failed unreachable"]
    assert "email accepted None" in told
    fallback.due("u1", "checkout").works()
    assert "whatsapp suppressed unreachable" in [f"{e.medium} {e.status} {e.reason}" for e in fallback.unchecked()]


@pytest.mark.parametrize(
    "refusal",
    [
        Rejected(reason="refused_by_policy", remedy=Remedy.MESSAGE, error_code=554, error="554 5.7.1 blocked"),
        Rejected(reason="refused", remedy=Remedy.MESSAGE, error_code=552, error="552 5.3.4 message too big"),
    ],
)
def test_mail_refused_for_several_people_stops_the_medium(fallback: FallbackDiary, refusal: Rejected) -> None:
    fallback.mail.answers = [refusal] * 6
    for number in range(6):
        fallback.knows_by_mail(f"u{number}", f"u{number}@shop.example").due(f"u{number}").works()
    assert breaker(fallback, "email").why == f"repeated_failure: {refusal.error}"
    assert len(fallback.mail.sent) == 3


def test_mail_that_is_refused_in_different_words_stops_the_medium(fallback: FallbackDiary) -> None:
    def refused(words: str) -> Rejected:
        return Rejected(reason="refused_by_policy", remedy=Remedy.MESSAGE, error_code=554, error=words)

    fallback.mail.answers = [refused("554 5.7.1 blocked"), refused("554 5.7.1 looks like spam")] * 3
    for number in range(6):
        fallback.knows_by_mail(f"u{number}", f"u{number}@shop.example").due(f"u{number}").works()
    assert breaker(fallback, "email").why == "repeated_failure: 554 5.7.1 blocked; 554 5.7.1 looks like spam"
    assert len(fallback.mail.sent) == 3


def test_endpoint_that_refuses_several_people_is_stopped(fallback: FallbackDiary) -> None:
    refusal = Rejected(reason="refused", remedy=Remedy.MESSAGE, error="HTTP 400")
    unreachable = Rejected(reason="unreachable", remedy=Remedy.RECIPIENT, error_code=550)
    fallback.mail.answers, fallback.hook.answers = [unreachable] * 6, [refusal] * 6
    for number in range(6):
        fallback.knows_by_mail(f"u{number}", f"u{number}@shop.example").due(f"u{number}").works()
    assert breaker(fallback, "webhook").why == "repeated_failure: HTTP 400"
    assert len(fallback.hook.sent) == 3


def test_refusals_of_a_real_server_end_two_reminders_of_twelve(deliver: Diary) -> None:
    """1MSG's answer in words only; all twelve are on their way before the first refusal is known."""
    asked: list[Asked] = []

    async def play(each: Asked, writer: asyncio.StreamWriter) -> None:
        asked.append(each)
        words = f"Your plan was suspended, +34 612 345 6{len(asked):02} is not served"
        good = {"sent": True, "id": f"wamid.real.{len(asked)}"}
        await answer(good if len(asked) > 13 else {"sent": False, "message": words})(each, writer)

    async def story() -> None:
        async with serving(play) as server, server.client(max_connections=12) as client:
            deliver.client = client
            deliver.restart()
            for number, name in enumerate(NAMES):
                deliver.knows(name, name=name, phone=f"+34 612 345 6{number:02}").due(name)
            while await deliver.parts.sender.step():
                pass
            assert [row.status for row in deliver.rows()].count("failed") == 2
            assert breaker(deliver).why == "repeated_failure: Your plan was suspended, … is not served"
            for _ in range(2):  # a probe that fails alike, and one that is accepted
                deliver.after(2 * MINUTE).detect_is_at()
                while await deliver.parts.sender.step():
                    pass

    asyncio.run(story())
    assert sorted(row.status for row in deliver.rows()) == ["accepted"] * 10 + ["failed"] * 2
    assert len(asked) == 12 + 1 + 10
