"""Failures that no table explains: one ends a reminder, the same for several people stops the channel."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.clock import HOUR, MINUTE, SECOND
from consumer.ledger import queries
from consumer.ledger.schema.rows import ChannelRow
from consumer.onemsg.outcomes import Accepted, Outcome, Rejected, Remedy

from ..onemsg.scripted_server import Asked, answer, serving
from .deliver_diary import Diary
from .fallback_diary import FallbackDiary

NAMES = [f"user{n}" for n in range(12)]
WORDS = "Your plan has been suspended, contact sales"


@pytest.fixture
def fallback(tmp_path: Path, ledger_url: str) -> Iterator[FallbackDiary]:
    diary = FallbackDiary(tmp_path, url=ledger_url)
    yield diary
    diary.close()


def unexplained(words: str = WORDS, code: int | None = None) -> Rejected:
    return Rejected(reason="unknown_error", remedy=Remedy.MESSAGE, error_code=code, error=words)


def everybody_is_due(deliver: Diary, *answers: Outcome) -> Diary:
    deliver.onemsg.answers = list(answers)
    for number, name in enumerate(NAMES):
        deliver.knows(name, name=name, phone=f"+34 612 345 6{number:02}")
    for name in NAMES:
        deliver.due(name).works_in_silence()
    return deliver.publishes()


def breaker(deliver: Diary, medium: str = "whatsapp") -> ChannelRow:
    with deliver.ledger.reading() as connection:
        return queries.channels.states(connection, medium)[medium]


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


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([unexplained(f"Failure {letter}") for letter in "abcdefghijkl"], id="different words"),
        pytest.param([unexplained(), unexplained(), Accepted(message_id="a")] * 4, id="something goes through"),
        pytest.param([unexplained("x", 131998), unexplained("x", 131999)] * 6, id="different codes"),
        pytest.param([Rejected(reason="experiment", remedy=Remedy.MESSAGE, error_code=130472)] * 12, id="explained"),
    ],
)
def test_other_failures_stop_nothing(deliver: Diary, answers: list[Outcome]) -> None:
    everybody_is_due(deliver, *answers)
    assert breaker(deliver).stopped_because is None
    deliver.went_out(*NAMES)


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
