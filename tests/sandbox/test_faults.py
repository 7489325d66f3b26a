"""Faults: what a specification may say, that it always does the same, and what that is at the running server."""

import re
from collections.abc import Callable

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.sandbox.faults import fault_rates
from consumer.sandbox.faults.fault_rates import NO_FAULTS, RATES, BadFaults, draw_faults, parse
from consumer.sandbox.responses import Answer

from .client import Client
from .receiver import Receiver

EVERYTHING = (
    "seed=7,slow=0.1,5xx=0.05,hangup=0.05,refuse=0.02,queued=0.02,string_false=0.01,created=0.05,html=0.02,429=0.05,"
    "429_after=0.02,no_id=0.02,dup=0.1,reorder=0.1,early=0.05,foreign=0.05,lost=0.05"
)


def test_every_fault_is_documented() -> None:
    documented = re.findall(r"^\| (\w+) +\|", fault_rates.__doc__ or "", re.MULTILINE)
    assert set(documented) - {"name"} == set(RATES)
    assert parse(EVERYTHING).rates.keys() == set(RATES)


@given(seed=st.integers(0, 10**6), request=st.integers(1, 10**9))
def test_the_same_seed_and_number_always_meet_the_same_fault(seed: int, request: int) -> None:
    spec = EVERYTHING.replace("seed=7", f"seed={seed}")
    assert draw_faults(parse(spec), request) == draw_faults(parse(spec), request)


def test_another_seed_meets_other_faults() -> None:
    seven, eight = (parse(EVERYTHING.replace("seed=7", f"seed={seed}")) for seed in (7, 8))
    assert [draw_faults(seven, n) for n in range(100)] != [draw_faults(eight, n) for n in range(100)]


def test_faults_come_as_often_as_they_were_asked_for() -> None:
    spec, count = parse(EVERYTHING), 20_000
    verdicts = [draw_faults(spec, n) for n in range(count)]
    for name, rate in spec.rates.items():
        if name in set(Answer):
            met = sum(verdict.answer == name for verdict in verdicts)
        else:
            met = sum(bool(getattr(verdict, name)) for verdict in verdicts)
        assert met / count == pytest.approx(rate, abs=0.01), name


def test_one_more_fault_beside_leaves_the_others_where_they_were() -> None:
    fewer, more = parse("seed=3,dup=0.2"), parse("seed=3,dup=0.2,lost=0.5,slow=0.5")
    assert [draw_faults(fewer, n).dup for n in range(500)] == [draw_faults(more, n).dup for n in range(500)]


def test_an_unclear_answer_hides_an_accepted_message_about_every_second_time() -> None:
    for name in ("5xx", "queued", "html"):
        accepted = sum(draw_faults(parse(f"{name}=1"), n).accepted for n in range(1000))
        assert 400 < accepted < 600
    for name in ("hangup", "created", "no_id"):
        assert all(draw_faults(parse(f"{name}=1"), n).accepted for n in range(100))
    for name in ("refuse", "string_false", "429", "429_after"):
        assert not any(draw_faults(parse(f"{name}=1"), n).accepted for n in range(100))


@pytest.mark.parametrize("spec", ["", " ", "seed=5", ","])
def test_without_a_rate_nothing_goes_wrong(spec: str) -> None:
    assert {draw_faults(parse(spec), n) for n in range(50)} == {NO_FAULTS}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("slwo=0.1", "did you mean slow"),
        ("gremlins=0.1", "Known are: hangup, 5xx, queued"),
        ("slow", "no value"),
        ("slow=", "from 0 to 1"),
        ("slow=often", "from 0 to 1"),
        ("slow=1.5", "from 0 to 1"),
        ("slow=nan", "from 0 to 1"),
        ("slow=-0.1", "from 0 to 1"),
        ("seed=x", "whole number"),
        ("seed=-1", "whole number"),
        ("slow_ms=1.5", "whole number"),
        ("slow=0.1,slow=0.2", "twice"),
        ("hangup=0.6,5xx=0.6", "more than 1"),
    ],
)
def test_a_bad_specification_is_refused_with_what_is_wrong(spec: str, why: str) -> None:
    with pytest.raises(BadFaults, match=why):
        parse(spec)


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("5xx", 502, "Bad Gateway"),
        ("queued", 200, '"jobId":"1"'),
        ("html", 200, "<!doctype html>"),
        ("no_id", 200, '{"sent":true,"message"'),
        ("created", 201, '"id":"wamid.'),
        ("refuse", 200, '"sent":false'),
        ("string_false", 200, '"sent":"false"'),
        ("429", 429, "rate limit"),
        ("429_after", 429, "rate limit"),
    ],
)
def test_an_answer_is_as_the_fault_says(start: Callable[..., Client], name: str, status: int, text: str) -> None:
    client = start(faults=f"{name}=1,retry_after=7")
    answer = client.send()
    assert answer.status_code == status
    assert text in answer.text
    assert answer.headers.get("retry-after") == ("7" if name == "429_after" else None)
    assert len(client.sandbox.messages()) == int(draw_faults(parse(f"{name}=1"), 1).accepted)


@pytest.mark.slow
def test_refusals_vary_and_never_carry_a_job(start: Callable[..., Client]) -> None:
    client = start(faults="refuse=1")
    answers = [client.send().json() for _ in range(30)]
    assert len({answer["message"] for answer in answers}) > 2
    assert not any("jobId" in answer for answer in answers)


def test_hanging_up_hides_an_accepted_message(start: Callable[..., Client]) -> None:
    client = start(faults="hangup=1")
    with pytest.raises(httpx.RemoteProtocolError):
        client.send()
    assert len(client.sandbox.messages()) == 1
    assert client.sandbox.stats()["answers"] == {"hangup": 1}


@pytest.mark.slow
def test_a_slow_answer_comes_after_the_message_was_accepted(start: Callable[..., Client]) -> None:
    client = start(faults="slow=1,slow_ms=600")
    with pytest.raises(httpx.ReadTimeout):
        client.http.post("sendTemplate", json=client.body(), timeout=0.2)
    assert len(client.sandbox.messages()) == 1
    assert client.send().elapsed.total_seconds() > 0.5


def test_an_early_status_arrives_before_the_answer(start: Callable[..., Client], receiver: Receiver) -> None:
    client = start(faults="early=1", latency=200)
    client.register(receiver.url)
    sent = client.send_ok()
    assert receiver.statuses(sent)[:1] == ["sent"]
    receiver.wait(lambda: len(receiver.statuses(sent)) == 3)
    assert set(receiver.statuses(sent)) == {"sent", "delivered", "read"}


def test_reordered_statuses_come_backwards_while_hook_info_stays_right(
    start: Callable[..., Client], receiver: Receiver
) -> None:
    client = start(faults="reorder=1")
    client.register(receiver.url)
    sent = client.send_ok()
    receiver.wait(lambda: len(receiver.acks(sent)) == 3)
    assert receiver.statuses(sent) == ["read", "delivered", "sent"]
    assert [hook["status"] for hook in client.get("hookInfo", messageId=sent)["hooks"]] == ["sent", "delivered", "read"]


def test_repeated_callbacks_come_twice(start: Callable[..., Client], receiver: Receiver) -> None:
    client = start(faults="dup=1")
    client.register(receiver.url, outgoingEchoOn=True)
    sent = client.send_ok()
    receiver.wait(lambda: len(receiver.acks(sent)) == 6 and len(receiver.messages()) == 2)
    assert sorted(receiver.statuses(sent)) == ["delivered", "delivered", "read", "read", "sent", "sent"]


def test_a_foreign_callback_is_of_no_message_of_the_channel(start: Callable[..., Client], receiver: Receiver) -> None:
    client = start(faults="foreign=1")
    client.register(receiver.url)
    sent = client.send_ok()
    receiver.wait(lambda: len(receiver.acks()) == 4)
    (stranger,) = [ack["id"] for ack in receiver.acks() if ack["id"] != sent]
    assert client.get("hookInfo", messageId=stranger) == {"hooks": []}
    assert client.get("messages", msgId=stranger) == {"messages": []}


@pytest.mark.slow
def test_lost_callbacks_are_some_or_all_of_a_message(start: Callable[..., Client], receiver: Receiver) -> None:
    client = start(faults="lost=1")
    client.register(receiver.url, outgoingEchoOn=True)
    sent = [client.send_ok() for _ in range(20)]
    client.send_ok(phone="15551230003")  # a fixed fate, which no fault touches, comes last
    receiver.wait(lambda: "15551230003" in [ack["phone"] for ack in receiver.acks() if ack["status"] == "delivered"])
    echoes = [message["id"] for message in receiver.messages()]
    came = [len(receiver.acks(message_id)) + echoes.count(message_id) for message_id in sent]
    assert 0 in came
    assert max(came) == 3  # of four
    for message_id in sent:
        assert client.get("hookInfo", messageId=message_id)["hooks"]


@pytest.mark.slow
def test_with_everything_at_once_the_sandbox_still_knows_what_it_accepted(start: Callable[..., Client]) -> None:
    client = start(faults=EVERYTHING + ",slow_ms=1")
    answered: set[str] = set()
    for n in range(300):
        try:
            answer = client.send(phone=f"1555123{1000 + n}")
        except httpx.RemoteProtocolError:
            continue
        if answer.headers["content-type"] == "application/json":
            answered.add(answer.json().get("id", ""))
    rows = client.sandbox.messages()
    expected = [n for n in range(1, 301) if draw_faults(parse(EVERYTHING), n).accepted]
    assert [row["request"] for row in rows] == expected
    assert answered - {""} < {row["id"] for row in rows}
