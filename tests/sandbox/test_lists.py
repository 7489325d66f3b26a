"""Templates, messages, hookInfo, status (docs/1msg.md), and the sandbox's own pages."""

from collections.abc import Callable
from time import time
from typing import Any

import httpx
import pytest

from .client import MARIA, Client, variables
from .receiver import Receiver


def test_the_root_says_what_can_be_called(shared: Client) -> None:
    guide = httpx.get(shared.sandbox.base_url).raise_for_status().json()
    channel = shared.sandbox.channel_id
    assert {f"POST /{channel}/sendTemplate", f"GET /{channel}/hookInfo"} <= set(guide["channel"])
    assert guide["sandbox"]["GET /_sandbox/messages"].startswith("Answer the accepted messages")
    assert all(guide["sandbox"].values())
    for call in (*guide["channel"], *guide["sandbox"]):
        method, path = call.split()
        answer = shared.http.request(method, shared.sandbox.base_url + path, json={} if method == "POST" else None)
        assert answer.status_code in (200, 400), call


def test_the_templates_are_listed_with_all_that_a_preflight_needs(shared: Client) -> None:
    listed = shared.get("templates")
    assert listed["total"] == len(listed["templates"]) == 10
    first = next(
        item for item in listed["templates"] if (item["name"], item["language"]) == ("inactivity_reminder", "en")
    )
    assert (first["status"], first["category"], first["namespace"]) == (
        "approved",
        "MARKETING",
        shared.sandbox.namespace,
    )
    assert first["components"] == [
        {
            "type": "BODY",
            "text": "Hello, {{1}}! We noticed you have not yet completed {{2}}. "
            "If you would like to continue, we are ready to help.",
        },
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "Continue", "url": "https://example.com/continue"}]},
    ]


def test_every_template_exists_in_five_languages_and_reads_with_both_values(client: Client) -> None:
    for item in client.get("templates")["templates"]:
        client.send_ok(
            template=item["name"],
            language={"policy": "deterministic", "code": item["language"]},
            params=variables("Zoë", "«papers»"),
        )
    texts = [row["text"] for row in client.sandbox.messages()]
    assert len(set(texts)) == 10
    assert all("Zoë" in text and "«papers»" in text and "{{" not in text for text in texts)


def test_templates_are_paged_and_sorted(shared: Client) -> None:
    page = shared.get("templates", limit=3, offset=8, sort="name")
    assert page["total"] == 10
    assert [item["name"] for item in page["templates"]] == ["order_waiting", "order_waiting"]


@pytest.mark.parametrize("query", ["templates?limit=-1", "templates?sort=age", "messages?limit=many", "hookInfo"])
def test_a_query_that_means_nothing_is_a_bad_request(shared: Client, query: str) -> None:
    assert shared.http.get(query).status_code == 400


def ids(answer: dict[str, Any]) -> list[str]:
    return [row["id"] for row in answer["messages"]]


def test_messages_are_listed_by_chat_by_time_by_number_and_by_id(client: Client) -> None:
    sent = [client.send_ok(phone=f"1555123000{n % 3}") for n in range(6)]
    assert ids(client.get("messages")) == sent
    assert ids(client.get("messages", last="true", limit=2)) == [sent[5], sent[4]]
    assert ids(client.get("messages", chatId="15551230001@c.us")) == [sent[1], sent[4]]
    assert ids(client.get("messages", chatId="15551230001@c.us", last="true")) == [sent[4], sent[1]]
    assert ids(client.get("messages", lastMessageNumber=4)) == sent[4:]
    assert ids(client.get("messages", msgId=sent[2])) == [sent[2]]
    assert ids(client.get("messages", msgId=sent[2], chatId="15551230001@c.us")) == []
    assert ids(client.get("messages", min_time=int(time()) - 60)) == sent
    assert ids(client.get("messages", min_time=int(time()) + 60)) == []
    assert ids(client.get("messages", max_time=int(time()) - 60)) == []


@pytest.mark.slow
def test_the_list_gives_a_hundred_unless_asked_for_all(client: Client) -> None:
    for _ in range(101):
        client.send_ok()
    assert len(client.get("messages")["messages"]) == 100
    assert len(client.get("messages", limit=0)["messages"]) == 101


def test_a_listed_message_has_flags_as_numbers_and_the_rendered_text(client: Client) -> None:
    sent = client.send_ok()
    (row,) = client.get("messages")["messages"]
    assert (row["id"], row["messageNumber"], row["fromMe"], row["self"], row["isForwarded"]) == (sent, 1, 1, 1, 0)
    assert row["chatId"] == f"{MARIA}@c.us"
    assert row["body"].startswith("Hello, Maria!")
    assert abs(row["time"] - time()) < 60


def test_a_mexican_number_is_reported_in_its_other_form(client: Client) -> None:
    sent = client.send_ok(phone="525512345678")
    (row,) = client.get("messages")["messages"]
    assert (row["id"], row["chatId"]) == (sent, "5215512345678@c.us")
    assert client.sandbox.messages()[0]["phone"] == "525512345678"


def test_without_history_there_is_a_notice_instead_of_messages(start: Callable[..., Client]) -> None:
    client = start(history=False)
    client.send_ok()
    answer = client.get("messages")
    assert answer["messages"] == []
    assert answer["notice"]


def test_hook_info_tells_the_whole_life_even_where_no_webhook_does(client: Client, receiver: Receiver) -> None:
    client.register(receiver.url)
    sent = client.send_ok(phone="15551230005")  # no webhook ever comes
    control = client.send_ok()
    receiver.wait(lambda: "read" in receiver.statuses(control))
    hooks = client.get("hookInfo", messageId=sent)["hooks"]
    assert receiver.acks(sent) == []
    assert [hook["status"] for hook in hooks] == ["sent", "delivered", "read"]
    for hook in hooks:
        assert (hook["id"], hook["type"], hook["recipient_id"]) == (sent, "message", "15551230005")
        assert isinstance(hook["timestamp"], str)
        assert hook["pricing"]["pricing_model"] == "PMP"


def test_hook_info_gives_the_code_of_a_failure(client: Client, receiver: Receiver) -> None:
    client.register(receiver.url)
    sent = client.send_ok(phone="15551230002")
    receiver.wait(lambda: receiver.statuses(sent) == ["failed"])
    (hook,) = client.get("hookInfo", messageId=sent)["hooks"]
    assert hook["errors"][0]["code"] == 131049


def test_hook_info_of_an_unknown_id_is_empty(shared: Client) -> None:
    assert shared.get("hookInfo", messageId="wamid.NOBODY") == {"hooks": []}


def test_the_channel_is_connected(shared: Client) -> None:
    assert shared.get("status")["status"] == "connected"


@pytest.mark.parametrize("path", ["templates", "messages", "hookInfo?messageId=x", "webhook", "settings", "status"])
def test_lists_want_the_token_too(shared: Client, path: str) -> None:
    answer = shared.http.get(path, headers={"Authorization": "Bearer stale"})
    assert (answer.status_code, set(answer.json())) == (401, {"error"})


def test_old_messages_are_forgotten_and_still_counted(start: Callable[..., Client]) -> None:
    client = start(keep=3)
    sent = [client.send_ok(phone=f"1555123000{n}") for n in range(5)]
    assert [row["id"] for row in client.sandbox.messages()] == sent[2:]
    assert ids(client.get("messages", chatId="15551230000@c.us")) == []
    assert client.get("hookInfo", messageId=sent[0]) == {"hooks": []}
    stats = client.sandbox.stats()
    assert (stats["accepted"], stats["messages"]) == (5, {"kept": 3, "forgotten": 2})


def test_anyone_may_look_at_what_was_accepted_and_at_the_newest_only(client: Client) -> None:
    sent = [client.send_ok() for _ in range(3)]
    own = f"{client.sandbox.base_url}/_sandbox"
    headers = {"Authorization": ""}
    assert ids(client.http.get(f"{own}/messages", headers=headers).json()) == sent
    assert ids(client.http.get(f"{own}/messages?limit=1", headers=headers).json()) == sent[2:]
    assert client.http.get(f"{own}/stats", headers=headers).json()["answers"] == {"accepted": 3}


@pytest.mark.parametrize("path", ["inbound", "templates", "channel"])
def test_pages_of_our_own_say_what_they_want(shared: Client, path: str) -> None:
    url = f"{shared.sandbox.base_url}/_sandbox/{path}"
    for raw in (b"{}", b"", b"[]"):
        answer = shared.http.post(url, content=raw)
        assert answer.status_code == 400
        assert answer.json()["message"]
