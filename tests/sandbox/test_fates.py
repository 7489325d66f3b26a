"""Phone numbers with a fixed fate: what `fates` promises, seen from outside."""

import re
from collections.abc import Callable

import httpx
import pytest

from consumer.sandbox.faults import fates

from .client import Client
from .receiver import Receiver

TOLD = {
    "0001": ["failed"],
    "0002": ["failed"],
    "0003": ["sent", "delivered"],
    "0006": ["failed"],
    "0007": ["failed"],
    "0008": ["sent", "read"],
    "0009": ["sent", "failed", "delivered"],
    "0010": ["sent", "delivered", "read"],
    "0029": ["sent", "delivered", "read"],
}
UNTOLD = {"0004": [], "0005": ["sent", "delivered", "read"], "0030": []}
REFUSED = {
    "0011": (200, '"sent":false', 131056),
    "0012": (200, '"sent":false', 131016),
    "0013": (200, '"sent":"false"', None),
    "0014": (200, '{"response":{"error":', None),
    "0016": (429, '{"message":"rate limit"}', None),
    "0017": (429, '{"message":"rate limit"}', None),
    "0018": (200, '"sent":false', 131050),
}
UNKNOWN = {
    "0021": (200, '"jobId":', True),
    "0022": (200, '"jobId":', False),
    "0025": (502, "Bad Gateway", True),
    "0026": (502, "Bad Gateway", False),
    "0027": (200, '{"sent":true,"message"', True),
    "0028": (200, "<!doctype html>", True),
}
CUT_OFF = {"0023": True, "0024": False}


def to(ending: str) -> str:
    return f"1555123{ending}"


def test_the_table_in_the_docstring_is_the_table_in_use_and_all_of_it_is_tried_here() -> None:
    documented = re.findall(r"^\| (\d{4}) ", fates.__doc__ or "", re.MULTILINE)
    assert documented == list(fates.FATES)
    assert set(documented) == TOLD.keys() | UNTOLD.keys() | REFUSED.keys() | UNKNOWN.keys() | CUT_OFF.keys()


@pytest.mark.slow
def test_what_becomes_of_accepted_messages(client: Client, receiver: Receiver) -> None:
    client.register(receiver.url)
    ids = {ending: str(client.send(phone=to(ending)).json()["id"]) for ending in TOLD}
    silent = {ending: str(client.send(phone=to(ending)).json()["id"]) for ending in UNTOLD}
    receiver.wait(lambda: all(len(receiver.acks(ids[ending])) >= len(TOLD[ending]) for ending in TOLD))
    assert {ending: receiver.statuses(ids[ending]) for ending in TOLD} == TOLD
    assert [receiver.acks(message_id) for message_id in silent.values()] == [[], [], []]

    def hooks() -> dict[str, list[str]]:
        told = {ending: client.get("hookInfo", messageId=silent[ending])["hooks"] for ending in UNTOLD}
        return {ending: [hook["status"] for hook in found] for ending, found in told.items()}

    receiver.wait(lambda: hooks() == UNTOLD)
    receiver.wait(lambda: bool(receiver.messages()))
    (stop,) = receiver.messages()
    assert (stop["body"], stop["chatId"]) == ("STOP", f"{to('0010')}@c.us")


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("0001", "Message undeliverable"),
        ("0002", "healthy ecosystem"),
        ("0007", "stop receiving marketing"),
        ("0009", "Something went wrong"),
    ],
)
def test_failures_say_why_in_metas_words(client: Client, receiver: Receiver, ending: str, text: str) -> None:
    client.register(receiver.url)
    client.send_ok(phone=to(ending))
    receiver.wait(lambda: "failed" in receiver.statuses())
    assert text in next(ack["error"] for ack in receiver.acks() if ack["status"] == "failed")


@pytest.mark.parametrize("ending", REFUSED)
def test_refusals_are_refused_every_time_and_nothing_is_accepted(client: Client, ending: str) -> None:
    status, text, code = REFUSED[ending]
    for _ in range(2):
        answer = client.send(phone=to(ending))
        assert answer.status_code == status
        assert text in answer.text
        if code:
            assert answer.json()["error"]["code"] == code
        assert answer.headers.get("retry-after") == ("1" if ending == "0017" else None)
    assert client.sandbox.messages() == []


@pytest.mark.parametrize("ending", UNKNOWN)
def test_unknown_answers_may_hide_a_message_or_none(client: Client, ending: str) -> None:
    status, text, accepted = UNKNOWN[ending]
    answer = client.send(phone=to(ending))
    assert answer.status_code == status
    assert text in answer.text
    assert "wamid" not in answer.text
    assert [row["phone"] for row in client.sandbox.messages()] == ([to(ending)] if accepted else [])


@pytest.mark.parametrize("ending", CUT_OFF)
def test_a_connection_cut_off_may_hide_a_message_or_none(client: Client, ending: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        client.send(phone=to(ending))
    assert [row["phone"] for row in client.sandbox.messages()] == ([to(ending)] if CUT_OFF[ending] else [])
    client.send_ok()  # the next request gets a connection of its own


def test_what_went_out_unseen_is_found_by_its_echo_and_by_the_list(client: Client, receiver: Receiver) -> None:
    client.register(receiver.url, outgoingEchoOn=True)
    phone = to("0023")
    with pytest.raises(httpx.RemoteProtocolError):
        client.send(phone=phone)
    receiver.wait(lambda: bool(receiver.messages()) and "read" in receiver.statuses())
    (row,) = client.get("messages", last="true", chatId=f"{phone}@c.us")["messages"]
    assert row["id"] == receiver.messages()[0]["id"] == receiver.acks()[0]["id"]


def test_created_is_201(client: Client) -> None:
    assert client.send(phone=to("0029")).status_code == 201


@pytest.mark.slow
def test_a_load_test_can_switch_fates_off(start: Callable[..., Client]) -> None:
    client = start(fixed_fates=False)
    for ending in fates.FATES:
        client.send_ok(phone=to(ending))


@pytest.mark.slow
def test_the_same_seed_gives_everybody_else_the_same_life(start: Callable[..., Client]) -> None:
    habits = fates.Habits(delays=(0, 0), read=0.5, failed=0.3)

    def lives(seed: int) -> list[str]:
        client = start(seed=seed, habits=habits)
        for n in range(40):
            client.send_ok(phone=f"1555123{1000 + n}")
        return [row["status"] for row in client.sandbox.messages()]

    first = lives(7)
    assert set(first) == {"read", "delivered", "failed"}
    assert lives(7) == first
    assert lives(8) != first
