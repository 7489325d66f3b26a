"""WhatsApp's own limits, kept before it refuses: recipients a day, messages to one phone, marketing to the US."""

from collections.abc import Callable
from dataclasses import replace

from consumer.clock import SECOND
from consumer.deliver.channel.recipient_quota import MIN_WAIT_MS, DailyQuota
from consumer.deliver.lifecycle import Suppress
from consumer.deliver.policy.checks import marketing_is_delivered
from consumer.onemsg.limits import PAIR_SPAN, UNIQUE_SPAN
from consumer.onemsg.outcomes import NotTransmitted
from tests.deliver.test_checks import FINE

from .deliver_diary import Diary
from .detect_diary import moment

Begin = Callable[..., Diary]


def people(diary: Diary, *names: str) -> Diary:
    for name in names:
        diary.knows(name, name=name, phone=f"+34 612 34 {sum(map(ord, name)):04}").due(name)
    return diary


def test_recipient_beyond_the_quota_waits_a_day(begin: Begin) -> None:
    diary = people(begin(unique_recipients=2), "Ana").works()
    people(diary.at("Mon 10:00").detect_is_at(), "Ben").works()
    people(diary, "Cleo").works()
    diary.says("Ana accepted", "Ben accepted", "Cleo deferred frequency_cap").went_out("Ana", "Ben")
    assert diary.topic[-1].until == moment("Tue 09:00")
    diary.at("Tue 08:59:59").detect_is_at().works_in_silence().went_out("Ana", "Ben")
    diary.at("Tue 09:00").detect_is_at().works_in_silence().went_out("Ana", "Ben", "Cleo")


def test_counted_recipient_takes_no_other_place(begin: Begin) -> None:
    diary = people(begin(unique_recipients=1), "Ana").works().due("Ana", "checkout").works()
    diary.went_out("Ana", "Ana")


def test_untransmitted_attempt_takes_no_place(begin: Begin) -> None:
    diary = begin(unique_recipients=1)
    diary.onemsg.answers = [NotTransmitted(reason="connect")]
    people(diary, "Ana").works()
    people(diary.after(SECOND), "Ben").works().went_out("Ana", "Ben")


def test_waiting_recipients_get_places_one_after_the_other() -> None:
    now = 1_000_000_000_000
    latest = [now - UNIQUE_SPAN + 1, now - UNIQUE_SPAN + 3 * MIN_WAIT_MS, now]
    room = DailyQuota(3, now, 3, {"34600000001"}, latest)
    assert room.free_at("34600000001") == 0
    assert [room.free_at(f"3460000001{n}") - now for n in range(4)] == [
        MIN_WAIT_MS,
        3 * MIN_WAIT_MS,
        UNIQUE_SPAN,
        UNIQUE_SPAN,
    ]


def test_pair_span_between_two_messages_to_a_phone(begin: Begin) -> None:
    diary = begin(caps={PAIR_SPAN: 1}).knows("maria").due("maria").due("maria", "checkout").works()
    diary.says("maria accepted", "maria deferred frequency_cap")
    diary.after(PAIR_SPAN - 1).works().says_nothing()
    diary.after(1).works().says("maria accepted")


def test_marketing_to_the_us_is_suppressed() -> None:
    american = replace(FINE, region="US")
    assert marketing_is_delivered(replace(american, marketing=True)) == Suppress("unreachable")
    assert marketing_is_delivered(american) is None
    assert marketing_is_delivered(replace(FINE, region="CA", marketing=True)) is None
