"""Every call except sending, against a real server: requests, answers and errors."""

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from consumer.clock import SECOND
from consumer.onemsg.api_errors import ApiErrorKind
from consumer.onemsg.client import ChannelStatus, OneMsgClient, OneMsgError
from consumer.onemsg.webhook.notifications import Echo, Progress
from tests.onemsg.scripted_server import (
    TOKEN,
    Asked,
    Play,
    Server,
    answer,
    break_off,
    flood,
    hang,
    hang_up,
    reset,
    serving,
)

Call = Callable[[OneMsgClient], Awaitable[Any]]


def ask(call: Call, *plays: Play, timeout: int = 10 * SECOND) -> tuple[Any, Server]:
    async def story() -> tuple[Any, Server]:
        async with serving(*plays) as server, server.client(timeout) as client:
            return await call(client), server

    return asyncio.run(story())


def failing(call: Call, *plays: Play, timeout: int = 10 * SECOND) -> OneMsgError:
    with pytest.raises(OneMsgError) as raised:
        ask(call, *plays, timeout=timeout)
    return raised.value


def test_status_tells_whether_the_channel_is_connected() -> None:
    said, server = ask(
        OneMsgClient.status, answer({"status": "connected", "accountStatus": "LIVE", "mm_lite_available": 1})
    )
    assert said == ChannelStatus("connected")
    assert said.connected
    assert (server.asked[0].verb, server.asked[0].target) == ("GET", "/CH1/status")
    assert server.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    said, _ = ask(OneMsgClient.status, answer({"status": "uninitialized"}))
    assert not said.connected


@pytest.mark.parametrize("body", [{}, [], {"status": None}, {"status": 7}, "null", '"connected"'])
def test_status_without_a_value_is_unreadable(body: object) -> None:
    assert failing(OneMsgClient.status, answer(body)).kind is ApiErrorKind.UNREADABLE


def entry(number: int) -> dict[str, object]:
    return {"id": str(number), "name": f"t{number}", "language": "en", "status": "approved", "namespace": "ns"}


def test_templates_are_read_page_by_page_until_a_page_adds_nothing() -> None:
    def page(asked: Asked) -> list[dict[str, object]]:
        start = int(asked.query["offset"])
        return [entry(n) for n in range(start, min(start + int(asked.query["limit"]), 230))]

    async def play(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await answer({"total": 230, "templates": page(asked)})(asked, writer)

    found, server = ask(OneMsgClient.templates, play)
    assert [template.name for template in found.templates] == [f"t{n}" for n in range(230)]
    assert found.complete
    assert [asked.query["offset"] for asked in server.asked] == ["0", "100", "200", "230"]


def test_a_channel_that_ignores_the_offset_is_asked_twice_and_no_more() -> None:
    found, server = ask(OneMsgClient.templates, answer([entry(1), entry(2), entry(2)]))
    assert [template.name for template in found.templates] == ["t1", "t2"]
    assert len(server.asked) == 2
    assert not found.complete  # it may have more than it can show


@pytest.mark.parametrize(("total", "whole"), [(2, True), (3, False), ("2", True), ("many", False), (None, False)])
def test_listing_without_offset_is_complete_by_total(total: object, whole: bool) -> None:
    found, _ = ask(OneMsgClient.templates, answer({"total": total, "templates": [entry(1), entry(2)]}))
    assert found.complete is whole


def test_listing_without_total_is_complete_after_an_empty_page() -> None:
    found, _ = ask(OneMsgClient.templates, answer([entry(1)]), answer([]))
    assert (len(found.templates), found.complete) == (1, True)
    found, _ = ask(OneMsgClient.templates, answer([]))
    assert (len(found.templates), found.complete) == (0, True)


def test_one_name_in_two_languages_is_two_templates() -> None:
    found, _ = ask(OneMsgClient.templates, answer([entry(1), {**entry(1), "language": {"code": "es"}}]))
    assert [(template.name, template.language) for template in found.templates] == [("t1", "en"), ("t1", "es")]


def test_endless_template_list_is_cut_off() -> None:
    async def play(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await answer([entry(int(asked.query["offset"]))])(asked, writer)

    found, server = ask(OneMsgClient.templates, play)
    assert len(found.templates) == len(server.asked) == 200
    assert not found.complete


@pytest.mark.parametrize("body", [{}, {"templates": {}}, {"templates": None}, "7"])
def test_templates_that_are_no_list_are_unreadable(body: object) -> None:
    assert failing(OneMsgClient.templates, answer(body)).kind is ApiErrorKind.UNREADABLE


def test_an_error_with_status_200_is_an_error() -> None:
    told = {"error": {"message": "(#131031) account locked", "code": 131031}}
    error = failing(OneMsgClient.templates, answer(told))
    assert error.kind is ApiErrorKind.REFUSED
    assert "account locked" in str(error)


def test_messages_asks_for_one_chat_and_returns_only_ours() -> None:
    rows = [
        {
            "id": "wamid.1",
            "fromMe": 1,
            "time": 1790000000,
            "chatId": "15551230000@c.us",
            "body": "Hello",
            "type": "chat",
        },
        {"id": "wamid.2", "fromMe": 0, "time": 1790000001, "chatId": "15551230000@c.us", "body": "Hi", "type": "chat"},
        {"id": "", "fromMe": 1, "time": 1790000002, "chatId": "15551230000@c.us"},
        "odd",
        {"id": "wamid.3", "fromMe": True, "time": "1790000003", "chatId": "15551230000@c.us", "body": None},
    ]
    found, server = ask(lambda client: client.messages("15551230000", 1790000000999), answer({"messages": rows}))
    assert found == [
        Echo(message_id="wamid.1", recipient="15551230000", at=1790000000000, body="Hello"),
        Echo(message_id="wamid.3", recipient="15551230000", at=1790000003000),
    ]
    [asked] = server.asked
    assert asked.path == "/CH1/messages"
    assert asked.query == {"chatId": "15551230000@c.us", "last": "true", "min_time": "1790000000", "limit": "100"}


def test_a_query_arrives_as_it_was_meant() -> None:
    odd = "wamid.A+/= &?#%41é"
    _, server = ask(lambda client: client.hook_info(odd), answer({"hooks": []}))
    assert server.asked[0].query == {"messageId": odd}


def test_no_address_with_a_number_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ask(lambda client: client.messages("15551230000", 0), answer([]))
    assert "15551230000" not in caplog.text


def test_get_on_a_closing_connection_is_repeated() -> None:
    async def story() -> Server:
        connections: list[asyncio.StreamWriter] = []
        connected = answer({"status": "connected"})
        async with serving(connected, on_connect=connections.append) as server, server.client() as client:
            await client.status()
            break_off(connections[0])
            assert (await client.status()).connected
            return server

    server = asyncio.run(story())
    assert (len(server.asked), server.connections) == (2, 2)


@pytest.mark.parametrize("body", [{"notice": "history is off"}, {"messages": []}, {"messages": None}, []])
def test_a_list_without_messages_is_an_empty_list(body: object) -> None:
    found, _ = ask(lambda client: client.messages("15551230000", 0), answer(body))
    assert found == []


def test_hook_info_is_read_like_a_webhook() -> None:
    hooks = [
        {
            "id": "wamid.A=",
            "type": "message",
            "status": "sent",
            "timestamp": "1790000000",
            "recipient_id": "15551230000",
        },
        {"id": "wamid.A=", "type": "message", "status": "delivered", "timestamp": "1790000009"},
        {"id": "wamid.other", "status": "read", "timestamp": "1790000010"},
        None,
    ]
    found, server = ask(lambda client: client.hook_info("wamid.A="), answer({"hooks": hooks}))
    assert [(report.progress, report.at) for report in found] == [
        (Progress.SENT, 1790000000000),
        (Progress.DELIVERED, 1790000009000),
    ]
    assert server.asked[0].path == "/CH1/hookInfo"
    assert server.asked[0].query == {"messageId": "wamid.A="}


@pytest.mark.parametrize("play", [answer("Not found", 404), answer({"hooks": []}), answer({})])
def test_hook_info_of_an_unknown_message_is_empty(play: Play) -> None:
    found, _ = ask(lambda client: client.hook_info("wamid.A"), play)
    assert found == ()


def test_hook_info_failure_is_an_error() -> None:
    assert failing(lambda client: client.hook_info("wamid.A"), answer("", 500)).kind is ApiErrorKind.UNAVAILABLE


@pytest.mark.parametrize(
    ("value", "urls"),
    [
        ("https://a/x", ["https://a/x"]),
        (["https://a", "https://b"], ["https://a", "https://b"]),
        ("https://a, https://b,https://c/?q=1,2", ["https://a", "https://b", "https://c/?q=1,2"]),
        (["https://a", "https://a", " "], ["https://a"]),
        ("", []),
        (None, []),
        ([], []),
    ],
)
def test_the_webhook_list_comes_in_three_forms(value: object, urls: list[str]) -> None:
    found, _ = ask(OneMsgClient.webhook, answer({"webhookUrl": value, "webhookStatuses": {"?": 1}}))
    assert found.disabled == frozenset()
    assert found.urls == tuple(urls)


@pytest.mark.parametrize(
    "statuses",
    [
        {"https://a/": "disabled", "https://b": "active"},
        {"https://a": "Disabled"},
        {"https://a": {"status": "disabled"}},
        {"https://a": {"active": False}, "https://b": {"active": True}},
        [{"url": "https://a", "status": "disabled"}, {"url": "https://b", "status": "active"}, 7, {}],
        [{"webhookUrl": "https://a", "disabled": True}, {"webhookUrl": "https://b", "disabled": False}],
        [{"url": "https://a", "enabled": "false"}],
    ],
)
def test_disabled_webhook_is_recognised_in_any_form(statuses: object) -> None:
    told = {"webhookUrl": ["https://a", "https://b"], "webhookStatuses": statuses}
    found, _ = ask(OneMsgClient.webhook, answer(told))
    assert (found.is_disabled("https://a"), found.is_disabled("https://b")) == (True, False)


@pytest.mark.parametrize(
    "body", [{}, [], {"webhookUrl": {"url": "https://a"}}, {"webhookUrl": ["https://a", {"u": 1}]}]
)
def test_partly_unreadable_webhook_list_is_an_error(body: object) -> None:
    """It is written back in full: what was not understood would be lost."""
    assert failing(OneMsgClient.webhook, answer(body)).kind is ApiErrorKind.UNREADABLE


def test_webhook_list_is_written_completely() -> None:
    _, server = ask(lambda client: client.set_webhook(["https://a", "https://b"]), answer({"set": True}))
    assert (server.asked[0].verb, server.asked[0].path) == ("POST", "/CH1/webhook")
    assert server.asked[0].json == {"webhookUrl": ["https://a", "https://b"]}
    _, server = ask(lambda client: client.set_webhook(["https://a"]), answer({"set": True}))
    assert server.asked[0].json == {"webhookUrl": "https://a"}


def test_refused_webhook_list_is_an_error_without_urls() -> None:
    ours = "https://us.example/webhooks/1msg/secret"
    error = failing(lambda client: client.set_webhook([ours]), answer({"set": False}))
    assert error.kind is ApiErrorKind.REFUSED
    error = failing(lambda client: client.set_webhook([ours]), answer({"message": f"bad url {ours}"}, 400))
    assert error.kind is ApiErrorKind.REFUSED
    assert "secret" not in str(error)


def test_settings_are_read_and_changed_one_by_one() -> None:
    found, server = ask(OneMsgClient.settings, answer({"ackNotificationsOn": False, "rawHooks": True}))
    assert found == {"ackNotificationsOn": False, "rawHooks": True}
    told = {"ackNotificationsOn": True, "update": {"ackNotificationsOn": True}}
    found, server = ask(lambda client: client.set_settings(ackNotificationsOn=True), answer(told))
    assert found["ackNotificationsOn"] is True
    assert (server.asked[0].verb, server.asked[0].path) == ("POST", "/CH1/settings")
    assert server.asked[0].json == {"ackNotificationsOn": True}


@pytest.mark.parametrize(
    ("play", "trouble"),
    [
        (answer({"error": f'Wrong token "{TOKEN}" for channel'}, 401), ApiErrorKind.CREDENTIAL),
        (answer({"error": "invalid token"}), ApiErrorKind.CREDENTIAL),
        (answer({"message": "Unauthorized"}, 400), ApiErrorKind.CREDENTIAL),
        (answer("Subscription is blocked", 403, {"Content-Type": "text/plain"}), ApiErrorKind.BLOCKED),
        (answer("<html>no</html>", 404), ApiErrorKind.NOT_FOUND),
        (answer("", 405), ApiErrorKind.NOT_FOUND),
        (answer("", 301, {"Location": "https://elsewhere"}), ApiErrorKind.NOT_FOUND),
        (answer({"message": "no"}, 400), ApiErrorKind.REFUSED),
        (answer({"message": "no"}, 422), ApiErrorKind.REFUSED),
        (answer({"message": "rate limit"}, 429), ApiErrorKind.UNAVAILABLE),
        (answer("", 500), ApiErrorKind.UNAVAILABLE),
        (answer("<html>bad gateway</html>", 502), ApiErrorKind.UNAVAILABLE),
        (answer("<html>welcome</html>", 200), ApiErrorKind.UNREADABLE),
        (answer("", 200), ApiErrorKind.UNREADABLE),
        (answer("[" * 100_000, 200), ApiErrorKind.UNREADABLE),
        (hang_up, ApiErrorKind.UNAVAILABLE),
        (reset, ApiErrorKind.UNAVAILABLE),
        (flood, ApiErrorKind.UNREADABLE),
    ],
)
def test_failed_call_has_a_kind_and_no_secret(
    play: Play, trouble: ApiErrorKind, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    error = failing(OneMsgClient.templates, play)
    assert error.kind is trouble
    assert str(error)
    assert TOKEN not in repr(error) + str(error) + caplog.text
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def padded(body: object, size: int) -> str:
    """Return the body as JSON of this many bytes."""
    return json.dumps(body).ljust(size)


@pytest.mark.parametrize(
    ("call", "body", "most"),
    [
        (OneMsgClient.status, {"status": "connected"}, 1_000_000),
        (OneMsgClient.webhook, {"webhookUrl": []}, 1_000_000),
        (OneMsgClient.settings, {}, 1_000_000),
        (lambda client: client.set_settings(x=1), {}, 1_000_000),
        (lambda client: client.hook_info("wamid.A"), [], 1_000_000),
        (lambda client: client.messages("15551230000", 0), [], 6_000_000),
    ],
    ids=["status", "webhook", "settings", "set settings", "hookInfo", "messages"],
)
def test_no_answer_is_longer_than_its_kind_can_be(call: Call, body: object, most: int) -> None:
    ask(call, answer(padded(body, most)))
    error = failing(call, answer(padded(body, most + 1)))
    assert (error.kind, "too long" in str(error)) == (ApiErrorKind.UNREADABLE, True)


def test_all_pages_of_templates_together_are_bounded() -> None:
    pages = [answer(padded([entry(number)], 8_000_000)) for number in range(2)]
    assert failing(OneMsgClient.templates, *pages, answer([entry(2)])).kind is ApiErrorKind.UNREADABLE
    found, _ = ask(OneMsgClient.templates, pages[0], answer([entry(1)]), answer([]))
    assert (len(found.templates), found.complete) == (2, True)


def test_busy_channel_has_retry_after() -> None:
    error = failing(OneMsgClient.status, answer("", 503, {"Retry-After": "30"}))
    assert (error.kind, error.retry_after) == (ApiErrorKind.UNAVAILABLE, 30 * SECOND)


@pytest.mark.slow
def test_hanging_call_times_out() -> None:
    assert failing(OneMsgClient.status, hang, timeout=1200).kind is ApiErrorKind.UNAVAILABLE


def test_an_unreachable_channel_is_unavailable() -> None:
    async def story() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{taken.getsockname()[1]}"
            async with OneMsgClient(base_url=address, channel_id="CH1", token=TOKEN, timeout_ms=SECOND) as client:
                await client.status()

    with pytest.raises(OneMsgError) as raised:
        asyncio.run(story())
    assert raised.value.kind is ApiErrorKind.UNAVAILABLE
    assert str(raised.value).startswith("connect:")


def test_a_number_in_a_refusal_is_masked() -> None:
    error = failing(
        lambda client: client.messages("15551230000", 0), answer({"error": "no chat 15551230000@c.us"}, 400)
    )
    assert "15551230000" not in str(error)
    assert "no chat" in str(error)


def test_other_encodings_of_json_are_read() -> None:
    said, _ = ask(OneMsgClient.status, answer(json.dumps({"status": "connected"}).encode("utf-8-sig")))
    assert said.connected
