"""One attempt against a real server: the request, and the outcome of every way in which it can end."""

import asyncio
import gzip
import json
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp.client_reqrep import ConnectionKey
from httpx_aiohttp.transport import map_aiohttp_exceptions
from yarl import URL

from consumer.clock import SECOND
from consumer.onemsg.client import OneMsgClient, TemplateMessage
from consumer.onemsg.http.transport import UnsafeProxy
from consumer.onemsg.http.transport_errors import FAILURES, NoConnection, TooLong, outcome_of
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Outcome, Rejected, Unknown
from tests.full_port import full_port
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
from tests.self_signed import self_signed

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


def test_request_has_the_documented_form() -> None:
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


def test_token_is_only_in_the_authorization_header() -> None:
    _, server = one_attempt(answer(ACCEPTED))
    [asked] = server.asked
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    elsewhere = {name: value for name, value in asked.headers.items() if name != "authorization"}
    assert TOKEN not in json.dumps(elsewhere) + asked.target + asked.body.decode()


def test_params_and_ttl_are_optional() -> None:
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
def test_phone_must_be_digits(phone: str) -> None:
    with pytest.raises(ValueError) as raised:
        TemplateMessage(phone=phone, template="t", namespace="n", language="en")
    assert not phone or phone not in str(raised.value)


def test_connections_are_reused() -> None:
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
def test_failure_after_sending_is_unknown_and_not_repeated(play: Play, reason: str) -> None:
    outcome, server = one_attempt(play)
    assert isinstance(outcome, Unknown)
    assert outcome.reason == reason
    assert len(server.asked) == 1


@pytest.mark.slow
@pytest.mark.parametrize("play", [hang, drip])
def test_missing_or_endless_answer_is_unknown_in_time(play: Play) -> None:
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


def test_idle_connection_closed_during_a_request_is_unknown() -> None:
    async def story() -> tuple[Outcome, Outcome, Server]:
        async with serving(answer(ACCEPTED), hang_up) as server, server.client() as client:
            first = await client.send_template(MESSAGE)
            return first, await client.send_template(MESSAGE), server

    first, second, server = run(story())
    assert isinstance(first, Accepted)
    assert isinstance(second, Unknown)
    assert (len(server.asked), server.connections) == (2, 1)


def end(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(("close", "requests_read"), [(end, 2), (break_off, 1)])
def test_post_on_a_closing_connection_is_unknown_and_not_repeated(
    close: Callable[[asyncio.StreamWriter], None], requests_read: int
) -> None:
    """The client's event loop has no turn between the closing and the request, so that it cannot know."""

    async def story() -> tuple[Outcome, Outcome, Server]:
        connections: list[asyncio.StreamWriter] = []
        async with serving(answer(ACCEPTED), on_connect=connections.append) as server, server.client() as client:
            first = await client.send_template(MESSAGE)
            close(connections[0])
            return first, await client.send_template(MESSAGE), server

    first, second, server = run(story())
    assert isinstance(first, Accepted)
    assert isinstance(second, Unknown)
    assert second.reason == "reset"
    assert (len(server.asked), server.connections) == (requests_read, 1)


def test_connection_closed_while_idle_is_replaced() -> None:
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
        client = OneMsgClient(base_url=base_url, channel_id="CH1", token=TOKEN, timeout_ms=4 * SECOND, **more)
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


def test_tls_failure_is_not_transmitted() -> None:
    async def story() -> tuple[Outcome, Server]:
        def greet(writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 ready\r\n")

        async with serving(answer(ACCEPTED), on_connect=greet) as server:
            address = f"https://127.0.0.1:{server.port}"
            async with OneMsgClient(base_url=address, channel_id="CH1", token=TOKEN, timeout_ms=4 * SECOND) as client:
                return await client.send_template(MESSAGE), server

    outcome, server = run(story())
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "tls"
    assert server.asked == []


def test_untrusted_certificate_is_not_transmitted(tmp_path: Path) -> None:
    async def story() -> tuple[Outcome, Server]:
        tls, _ = self_signed(tmp_path)
        async with serving(answer(ACCEPTED), tls=tls) as server, server.client() as client:
            return await client.send_template(MESSAGE), server

    outcome, server = run(story())
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "tls"
    assert server.asked == []


def test_certificates_are_checked_against_the_system_s_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> Outcome:
        tls, certificate = self_signed(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with serving(answer(ACCEPTED), tls=tls) as server, server.client() as client:
            return await client.send_template(MESSAGE)

    assert isinstance(run(story()), Accepted)


@pytest.mark.slow
def test_connect_timeout_is_not_transmitted() -> None:
    with full_port() as port:
        outcome = unreached(f"http://127.0.0.1:{port}")
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "connect_timeout"


@pytest.mark.slow
def test_no_free_connection_is_not_transmitted() -> None:
    async def story() -> tuple[list[Outcome], Server]:
        async with serving(hang) as server, server.client(timeout=1200, max_connections=2) as client:
            return await asyncio.gather(*(client.send_template(MESSAGE) for _ in range(3))), server

    outcomes, server = run(story())
    assert [outcome.reason for outcome in outcomes] == ["timeout", "timeout", "no_connection"]
    assert isinstance(outcomes[2], NotTransmitted)
    assert len(server.asked) == 2


@pytest.mark.slow
def test_connection_is_released_after_every_outcome() -> None:
    async def story() -> list[Outcome]:
        plays = [hang_up, reset, half, flood, answer("", 500), hang, answer(ACCEPTED)]
        async with serving(*plays) as server, server.client(timeout=1200, max_connections=1) as client:
            return [await client.send_template(MESSAGE) for _ in plays]

    outcomes = run(story())
    assert [type(outcome).__name__ for outcome in outcomes] == ["Unknown"] * 6 + ["Accepted"]


def test_cancelled_attempt_releases_its_connection() -> None:
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


def test_concurrent_requests_share_connections() -> None:
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


def test_refusing_proxy_is_not_transmitted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> tuple[Outcome, Server]:
        async with serving(answer("no", 403)) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:proxysecret@127.0.0.1:{proxy.port}")
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            client = OneMsgClient(
                base_url="https://api.example.com", channel_id="CH1", token=TOKEN, timeout_ms=4 * SECOND
            )
            async with client:
                return await client.send_template(MESSAGE), proxy

    outcome, proxy = run(story())
    assert isinstance(outcome, NotTransmitted)
    assert outcome.reason == "proxy"
    [asked] = proxy.asked
    assert asked.verb == "CONNECT"
    assert asked.headers["proxy-authorization"].startswith("Basic ")
    assert "authorization" not in asked.headers
    assert "proxysecret" not in repr(outcome)


def test_proxy_that_would_read_the_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://somebody:proxysecret@192.0.2.1:3128")
    monkeypatch.setenv("no_proxy", "inside.example.com")
    with pytest.raises(UnsafeProxy, match=r"api.example.com: the variable http_proxy names a proxy") as refused:
        OneMsgClient(base_url="http://api.example.com", channel_id="CH1", token=TOKEN, timeout_ms=SECOND)
    assert "proxysecret" not in str(refused.value)
    for base_url in ("http://inside.example.com", "https://api.example.com", "http://127.0.0.1:9"):
        OneMsgClient(base_url=base_url, channel_id="CH1", token=TOKEN, timeout_ms=SECOND)


def test_proxy_is_not_used_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    outcome, _ = one_attempt(answer(ACCEPTED))
    assert isinstance(outcome, Accepted)


HOST = ConnectionKey("api.1msg.io", 443, True, True, None, None, None)
REQUEST = aiohttp.RequestInfo(URL("https://api.1msg.io"), "POST", {}, URL("https://api.1msg.io"))  # type: ignore[arg-type]


def handed_on(error: Exception) -> Exception:
    """The error as it leaves httpx-aiohttp."""
    with pytest.raises(FAILURES) as raised, map_aiohttp_exceptions():
        raise error
    return raised.value


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
        (httpx.InvalidURL("x"), NotTransmitted, "bad_address"),
        (httpx.DecodingError("x"), Unknown, "unreadable_answer"),
        (httpx.ConnectError("x"), Unknown, "reset"),  # nothing of aiohttp's inside
        (TooLong(), Unknown, "unreadable_answer"),
        (TimeoutError(), Unknown, "timeout"),
        (OSError("x"), Unknown, "reset"),
        (ConnectionResetError("x"), Unknown, "reset"),
        (ssl.SSLError("x"), Unknown, "reset"),  # bare: not known to come from connecting
        (socket.gaierror("x"), Unknown, "reset"),
        (UnicodeError("x"), Unknown, "reset"),
    ],
)
def test_only_failures_before_writing_are_not_transmitted(error: Exception, outcome: type, reason: str) -> None:
    for judged in (outcome_of(error), outcome_of(handed_on(error))):
        assert type(judged) is outcome
        assert judged.reason == reason
        assert type(error).__name__ in (judged.error or "")


def test_httpx_alone_would_call_an_unanswered_attempt_a_connect_timeout() -> None:
    """Why only aiohttp's error inside counts."""
    assert isinstance(handed_on(aiohttp.ServerDisconnectedError()), httpx.ConnectTimeout)


def test_wrong_content_encoding_is_unknown() -> None:
    outcome, _ = one_attempt(answer(ACCEPTED, headers={"Content-Encoding": "gzip"}))
    assert isinstance(outcome, Unknown)
    assert outcome.reason == "unreadable_answer"


def packed(body: bytes, coding: str = "gzip") -> Play:
    return answer(body, headers={"Content-Encoding": coding})


def test_a_packed_answer_is_read() -> None:
    outcome, server = one_attempt(packed(gzip.compress(json.dumps(ACCEPTED).encode())))
    assert outcome == Accepted(message_id="wamid.AAA")
    assert server.asked[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    "play", [packed(gzip.compress(bytes(50_000_000))), packed(gzip.compress(gzip.compress(b"{}")), "gzip, gzip")]
)
def test_a_packed_answer_that_may_have_no_end_is_not_unpacked(play: Play) -> None:
    outcome, _ = one_attempt(play)
    assert isinstance(outcome, Unknown)
    assert outcome.reason == "unreadable_answer"


def test_odd_reason_phrase_is_ignored() -> None:
    async def odd(asked: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 \xff\xfe\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()

    async def story() -> tuple[Outcome, Outcome, Server]:
        async with serving(odd, answer(ACCEPTED)) as server, server.client(max_connections=1) as client:
            return await client.send_template(MESSAGE), await client.send_template(MESSAGE), server

    first, second, server = run(story())
    assert isinstance(first, Unknown)
    assert isinstance(second, Accepted)
    assert len(server.asked) == 2


def test_no_cookie_is_kept() -> None:
    async def story() -> Server:
        async with serving(answer(ACCEPTED, headers={"Set-Cookie": "session=1; Path=/"})) as server:
            address = f"http://localhost:{server.port}"
            async with OneMsgClient(base_url=address, channel_id="CH1", token=TOKEN, timeout_ms=4 * SECOND) as client:
                for _ in range(2):
                    assert isinstance(await client.send_template(MESSAGE), Accepted)
            return server

    assert ["cookie" in asked.headers for asked in run(story()).asked] == [False, False]


def test_an_answer_is_judged_with_its_headers() -> None:
    outcome, _ = one_attempt(answer({"message": "rate limit"}, 429, {"Retry-After": "7"}))
    assert isinstance(outcome, Rejected)
    assert outcome.retry_after == 7 * SECOND


def test_no_token_or_personal_data_in_outcomes_and_logs(caplog: pytest.LogCaptureFixture) -> None:
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
def test_invalid_token_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(ValueError) as raised:
        OneMsgClient(base_url="https://api.1msg.io", channel_id="CH1", token=token, timeout_ms=SECOND)
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
def test_invalid_address_or_channel_is_refused(base_url: str, channel_id: str) -> None:
    with pytest.raises(ValueError):
        OneMsgClient(base_url=base_url, channel_id=channel_id, token="t", timeout_ms=SECOND)


def test_repr_of_client_has_no_secret() -> None:
    client = OneMsgClient(base_url="https://api.1msg.io", channel_id="CH1", token=TOKEN, timeout_ms=SECOND)
    assert TOKEN not in repr(client) + str(client)
    asyncio.run(client.aclose())
