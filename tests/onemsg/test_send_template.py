"""One attempt against a real server: what leaves, and what is made of every way in which it can end."""

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import Coroutine
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

from consumer.clock import SECOND
from consumer.onemsg.client import OneMsgClient, TemplateMessage
from consumer.onemsg.http.transport_errors import NoConnection, TooLong, outcome_of
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome, Rejected, Unknown
from tests.onemsg.scripted_server import (
    TOKEN,
    Play,
    Server,
    answer,
    break_off,
    drip,
    flood,
    gibberish,
    half,
    hang,
    hang_up,
    reset,
    serving,
)

MESSAGE = TemplateMessage(
    phone="15551230000",
    template="inactivity_reminder",
    namespace="aaaaaaaa_bbbb_cccc_dddd_eeeeeeeeeeee",
    language="en",
    params=("Maria", "account setup"),
)
ACCEPTED = {"sent": True, "id": "wamid.AAA", "message": "Sent to 15551230000@c.us"}


def run(story: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(story)


def one_attempt(play: Play, timeout: int = 10 * SECOND) -> tuple[Outcome, Server]:
    async def story() -> tuple[Outcome, Server]:
        async with serving(play) as server, server.client(timeout) as client:
            return await client.send_template(MESSAGE), server

    outcome: tuple[Outcome, Server] = run(story())
    return outcome


def test_the_request_is_what_the_contract_says() -> None:
    outcome, server = one_attempt(answer(ACCEPTED))
    assert outcome == Accepted(message_id="wamid.AAA")
    [asked] = server.asked
    assert (asked.verb, asked.target) == ("POST", "/CH1/sendTemplate")
    assert asked.headers["content-type"] == "application/json"
    assert asked.json == {
        "phone": "15551230000",
        "template": "inactivity_reminder",
        "namespace": "aaaaaaaa_bbbb_cccc_dddd_eeeeeeeeeeee",
        "language": {"policy": "deterministic", "code": "en"},
        "params": [
            {
                "type": "body",
                "parameters": [{"type": "text", "text": "Maria"}, {"type": "text", "text": "account setup"}],
            }
        ],
    }


def test_the_token_is_in_exactly_one_place() -> None:
    _, server = one_attempt(answer(ACCEPTED))
    [asked] = server.asked
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    elsewhere = {name: value for name, value in asked.headers.items() if name != "authorization"}
    assert TOKEN not in json.dumps(elsewhere) + asked.target + asked.body.decode()


def test_a_message_without_variables_has_no_params_and_a_ttl_is_sent_only_if_set() -> None:
    async def story() -> list[object]:
        plain = TemplateMessage(phone="34600111222", template="t", namespace="n", language="es")
        timed = TemplateMessage(phone="34600111222", template="t", namespace="n", language="es", ttl=43200)
        async with serving(answer(ACCEPTED)) as server, server.client() as client:
            await client.send_template(plain)
            await client.send_template(timed)
            return [asked.json for asked in server.asked]

    first, second = run(story())
    assert "params" not in first
    assert "messageSendTtlSeconds" not in first
    assert second["messageSendTtlSeconds"] == 43200


@pytest.mark.parametrize(
    "phone", ["+15551230000", "1555 123", "15551230000@c.us", "", "12345", "1" * 16, "１２３４５６７"]
)
def test_a_phone_that_is_not_plain_digits_is_refused_before_anything_is_sent(phone: str) -> None:
    with pytest.raises(ValueError) as raised:
        TemplateMessage(phone=phone, template="t", namespace="n", language="en")
    assert not phone or phone not in str(raised.value)


def test_connections_are_used_again() -> None:
    async def story() -> Server:
        async with serving(answer(ACCEPTED)) as server, server.client() as client:
            for _ in range(5):
                assert isinstance(await client.send_template(MESSAGE), Accepted)
            return server

    server = run(story())
    assert (len(server.asked), server.connections) == (5, 1)


@pytest.mark.parametrize(
    ("play", "reason"),
    [(hang_up, "reset"), (reset, "reset"), (half, "reset"), (gibberish, "reset"), (flood, "unreadable_answer")],
)
def test_what_broke_after_the_request_had_left_is_unknown_and_was_asked_once(play: Play, reason: str) -> None:
    outcome, server = one_attempt(play)
    assert isinstance(outcome, Unknown)
    assert outcome.reason == reason
    assert len(server.asked) == 1


@pytest.mark.parametrize("play", [hang, drip])
def test_an_answer_that_does_not_come_or_does_not_end_is_unknown_in_time(play: Play) -> None:
    outcome, server = one_attempt(play, timeout=1200)
    assert isinstance(outcome, Unknown)
    assert outcome.reason == "timeout"
    assert len(server.asked) == 1


def test_a_connection_that_is_reset_before_the_request_is_read_is_unknown() -> None:
    """From here nobody can tell whether the other side had read it."""

    async def story() -> tuple[Outcome, Server]:
        async with serving(answer(ACCEPTED), on_connect=break_off) as server, server.client() as client:
            return await client.send_template(MESSAGE), server

    outcome, server = run(story())
    assert isinstance(outcome, Unknown)
    assert outcome.reason == "reset"
    assert server.asked == []


def test_a_connection_kept_open_and_closed_under_the_second_request_is_unknown() -> None:
    async def story() -> tuple[Outcome, Outcome, Server]:
        async with serving(answer(ACCEPTED), hang_up) as server, server.client() as client:
            first = await client.send_template(MESSAGE)
            return first, await client.send_template(MESSAGE), server

    first, second, server = run(story())
    assert isinstance(first, Accepted)
    assert isinstance(second, Unknown)
    assert (len(server.asked), server.connections) == (2, 1)


def test_a_connection_that_was_closed_while_idle_is_replaced_by_a_new_one() -> None:
    async def story() -> tuple[list[Outcome], Server]:
        closing = answer(ACCEPTED, headers={"Connection": "close"})

        async def play(asked: Any, writer: asyncio.StreamWriter) -> None:
            await closing(asked, writer)
            writer.close()

        async with serving(play) as server, server.client() as client:
            return [await client.send_template(MESSAGE) for _ in range(3)], server

    outcomes, server = run(story())
    assert outcomes == [Accepted(message_id="wamid.AAA")] * 3
    assert server.connections == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    outcome, server = one_attempt(answer("", status, {"Location": "/CH1/elsewhere"}))
    assert isinstance(outcome, Unknown)
    assert outcome.reason == "unexpected_status"
    assert len(server.asked) == 1


def unreached(base_url: str, **more: Any) -> Outcome:
    async def story() -> Outcome:
        client = OneMsgClient(base_url=base_url, channel_id="CH1", token=TOKEN, timeout=4 * SECOND, **more)
        async with client:
            return await client.send_template(MESSAGE)

    outcome: Outcome = run(story())
    return outcome


def test_a_refused_connection_is_certainly_not_transmitted() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        outcome = unreached(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "connect"


def test_a_name_that_does_not_resolve_is_certainly_not_transmitted() -> None:
    outcome = unreached(f"http://{'.'.join(['x' * 60] * 5)}.invalid")  # so long that nobody has to be asked
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "name_resolution"


def test_a_server_that_speaks_no_tls_is_certainly_not_given_the_message() -> None:
    async def story() -> tuple[Outcome, Server]:
        def greet(writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 ready\r\n")

        async with serving(answer(ACCEPTED), on_connect=greet) as server:
            address = f"https://127.0.0.1:{server.port}"
            async with OneMsgClient(base_url=address, channel_id="CH1", token=TOKEN, timeout=4 * SECOND) as client:
                return await client.send_template(MESSAGE), server

    outcome, server = run(story())
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "tls"
    assert server.asked == []


def test_a_connection_that_never_opens_is_not_transmitted_although_it_took_long() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # its queue is full after a connection or two, and nobody ever accepts
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        outcome = unreached(f"http://127.0.0.1:{full.getsockname()[1]}")
        for each in waiting:
            each.close()
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "connect_timeout"


def test_no_free_connection_means_that_nothing_was_transmitted() -> None:
    async def story() -> tuple[list[Outcome], Server]:
        async with serving(hang) as server, server.client(timeout=1200, max_connections=2) as client:
            return await asyncio.gather(*(client.send_template(MESSAGE) for _ in range(3))), server

    outcomes, server = run(story())
    assert [outcome.reason for outcome in outcomes] == ["timeout", "timeout", "no_connection"]
    assert isinstance(outcomes[2], NotTransmitted)
    assert len(server.asked) == 2


def test_a_connection_is_free_again_after_every_kind_of_end() -> None:
    async def story() -> list[Outcome]:
        plays = [hang_up, reset, half, flood, answer("", 500), hang, answer(ACCEPTED)]
        async with serving(*plays) as server, server.client(timeout=1200, max_connections=1) as client:
            return [await client.send_template(MESSAGE) for _ in plays]

    outcomes = run(story())
    assert [type(outcome).__name__ for outcome in outcomes] == ["Unknown"] * 6 + ["Accepted"]


def test_a_cancelled_attempt_gives_its_connection_back() -> None:
    async def story() -> Outcome:
        async with serving(hang, answer(ACCEPTED)) as server, server.client(max_connections=1) as client:
            attempt = asyncio.create_task(client.send_template(MESSAGE))
            while not server.asked:
                await asyncio.sleep(0.01)
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt
            return await client.send_template(MESSAGE)

    assert isinstance(run(story()), Accepted)


def test_many_at_once_share_the_connections_and_all_get_their_own_answer() -> None:
    async def story() -> tuple[list[Outcome], Server]:
        async def by_phone(asked: Any, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(0.005)
            await answer({"sent": True, "id": f"wamid.{asked.json['phone']}"})(asked, writer)

        phones = [str(15551230000 + n) for n in range(60)]
        made = [TemplateMessage(phone=phone, template="t", namespace="n", language="en") for phone in phones]
        async with serving(by_phone) as server, server.client(max_connections=8) as client:
            return await asyncio.gather(*map(client.send_template, made)), server

    outcomes, server = run(story())
    assert [outcome.message_id for outcome in outcomes] == [f"wamid.{15551230000 + n}" for n in range(60)]
    assert server.connections <= 8


def test_a_proxy_that_refuses_means_that_nothing_was_transmitted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> tuple[Outcome, Server]:
        async with serving(answer("no", 403)) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            client = OneMsgClient(base_url="https://api.example.com", channel_id="CH1", token=TOKEN, timeout=4 * SECOND)
            async with client:
                return await client.send_template(MESSAGE), proxy

    outcome, proxy = run(story())
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "proxy"
    [asked] = proxy.asked
    assert asked.verb == "CONNECT"
    assert "authorization" not in asked.headers


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    outcome, _ = one_attempt(answer(ACCEPTED))
    assert isinstance(outcome, Accepted)


HOST = ConnectionKey("api.1msg.io", 443, True, True, None, None, None)
REQUEST = aiohttp.RequestInfo(URL("https://api.1msg.io"), "POST", {}, URL("https://api.1msg.io"))  # type: ignore[arg-type]


def from_(cause: Exception, error: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (NoConnection("x"), NotTransmitted, "no_connection"),
        (aiohttp.ConnectionTimeoutError("x"), NotTransmitted, "connect_timeout"),
        (aiohttp.ClientConnectorDNSError(HOST, OSError("x")), NotTransmitted, "name_resolution"),
        (aiohttp.ClientConnectorSSLError(HOST, OSError("x")), NotTransmitted, "tls"),
        (aiohttp.ClientConnectorCertificateError(HOST, Exception("x")), NotTransmitted, "tls"),
        (aiohttp.ClientProxyConnectionError(HOST, OSError("x")), NotTransmitted, "proxy"),
        (aiohttp.ClientHttpProxyError(REQUEST, ()), NotTransmitted, "proxy"),
        (aiohttp.ClientConnectorError(HOST, OSError("x")), NotTransmitted, "connect"),
        (aiohttp.InvalidURL("x"), NotTransmitted, "bad_address"),
        (aiohttp.NonHttpUrlClientError("x"), NotTransmitted, "bad_address"),
        (aiohttp.ClientOSError("x"), Unknown, "reset"),
        (aiohttp.ClientConnectionResetError("x"), Unknown, "reset"),
        (aiohttp.ServerDisconnectedError("x"), Unknown, "reset"),
        (aiohttp.ClientPayloadError("x"), Unknown, "reset"),
        (aiohttp.ClientResponseError(REQUEST, ()), Unknown, "reset"),
        (aiohttp.SocketTimeoutError("x"), Unknown, "timeout"),
        (from_(ContentEncodingError("x"), aiohttp.ClientPayloadError("x")), Unknown, "unreadable_answer"),
        (TooLong(), Unknown, "unreadable_answer"),
        (TimeoutError(), Unknown, "timeout"),
        (OSError("x"), Unknown, "reset"),
        (ConnectionResetError("x"), Unknown, "reset"),
        (ssl.SSLError("x"), Unknown, "reset"),  # bare: not known to come from connecting
        (socket.gaierror("x"), Unknown, "reset"),
        (UnicodeError("x"), Unknown, "reset"),
    ],
)
def test_only_what_happens_before_the_request_is_written_counts_as_not_transmitted(
    error: Exception, outcome: type, reason: str
) -> None:
    judged = outcome_of(error)
    assert type(judged) is outcome
    assert judged.reason == reason


def test_a_body_that_claims_a_compression_it_has_not_is_unknown() -> None:
    outcome, _ = one_attempt(answer(ACCEPTED, headers={"Content-Encoding": "gzip"}))
    assert isinstance(outcome, Unknown)
    assert outcome.reason == "unreadable_answer"


def test_an_answer_is_judged_with_its_headers() -> None:
    outcome, _ = one_attempt(answer({"message": "rate limit"}, 429, {"Retry-After": "7"}))
    assert isinstance(outcome, Rejected)
    assert outcome.retry_after == 7 * SECOND


def test_neither_token_nor_person_is_in_any_outcome_or_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = {"error": f'Wrong token "{TOKEN}" for channel. {MESSAGE.phone} Maria account setup'}
    plays = [answer(told, status) for status in (200, 400, 401, 403, 404, 422, 429, 500, 302)]
    plays += [answer(json.dumps(told)[1:], 403), hang_up, reset, half]

    async def story() -> list[Outcome]:
        async with serving(*plays) as server, server.client() as client:
            return [await client.send_template(MESSAGE) for _ in plays]

    everything = repr(run(story())) + caplog.text + repr(MESSAGE)
    for secret in (TOKEN, TOKEN.split(".")[1], MESSAGE.phone, "Maria", "account setup"):
        assert secret not in everything


@pytest.mark.parametrize("token", ["", "two words", "line\n", "tök", "a\x00b"])
def test_a_token_that_no_header_can_carry_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(ValueError) as raised:
        OneMsgClient(base_url="https://api.1msg.io", channel_id="CH1", token=token, timeout=SECOND)
    assert not token or token not in str(raised.value)


@pytest.mark.parametrize(
    ("base_url", "channel_id"),
    [
        ("api.1msg.io", "CH1"),
        ("ftp://api.1msg.io", "CH1"),
        ("https://", "CH1"),
        (f"https://{'x' * 64}.io", "CH1"),
        ("https://user:pass@api.1msg.io", "CH1"),
        ("https://api.1msg.io?token=abc", "CH1"),
        ("https://api.1msg.io:port", "CH1"),
        ("https://api.1msg.io", "CH1/sendTemplate"),
        ("https://api.1msg.io", "CH1?token=abc"),
        ("https://api.1msg.io", ".."),
        ("https://api.1msg.io", ""),
    ],
)
def test_an_address_or_a_channel_that_cannot_be_one_is_refused(base_url: str, channel_id: str) -> None:
    with pytest.raises(ValueError):
        OneMsgClient(base_url=base_url, channel_id=channel_id, token="t", timeout=SECOND)


def test_the_client_shows_nothing_of_itself() -> None:
    client = OneMsgClient(base_url="https://api.1msg.io", channel_id="CH1", token=TOKEN, timeout=SECOND)
    assert TOKEN not in repr(client) + str(client)
    asyncio.run(client.aclose())
