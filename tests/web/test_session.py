"""Who is let into the console, and that no other site can act in their name."""

import re
from collections.abc import Callable

import httpx
import pytest
from starlette.types import ASGIApp

from consumer.clock import HOUR
from consumer.web.session import COOKIE, local_path
from tests.timelines.deliver_diary import Diary

from .site import site

Serving = Callable[[ASGIApp], httpx.Client]
TOKEN = "a-token-of-the-tests"
PAGES = ["/", "/funnel", "/people", "/person", "/needs", "/confirm", "/insight", "/journal"]


def log_in(client: httpx.Client, token: str = TOKEN, name: str = "Ana", path: str = "/login") -> httpx.Response:
    return client.post(path, data={"token": token, "name": name})


def form_token(client: httpx.Client) -> str:
    found = re.search(r'name="form_token" value="([^"]*)"', client.get("/needs").text)
    assert found
    return found[1]


@pytest.mark.parametrize("path", PAGES)
def test_with_a_token_every_page_sends_to_the_login_and_back(serving: Serving, diary: Diary, path: str) -> None:
    client = serving(site(diary.ledger, diary.clock, token=TOKEN))
    for wrong in ({}, {"Authorization": f"Bearer {TOKEN}"}, {"Cookie": f"{COOKIE}=Ana.0"}):
        answer = client.get(path, headers=wrong)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login?next=")
    let_in = log_in(client, path=answer.headers["location"])
    assert (let_in.status_code, let_in.headers["location"]) == (303, path)
    assert client.get(path).status_code in {200, 400}


def test_the_session_is_a_strict_cookie_that_scripts_cannot_read(serving: Serving, diary: Diary) -> None:
    client = serving(site(diary.ledger, diary.clock, token=TOKEN))
    cookie = log_in(client).headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict", "Max-Age=43200"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    assert "Secure" not in cookie
    behind_tls = client.post("/login", data={"token": TOKEN, "name": "Ana"}, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in behind_tls.headers["set-cookie"]


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "ü", "\u0000"])
def test_a_wrong_token_is_told(serving: Serving, diary: Diary, token: str) -> None:
    client = serving(site(diary.ledger, diary.clock, token=TOKEN))
    answer = log_in(client, token)
    assert answer.status_code == 401
    assert "This is not the token" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_session_ends_by_itself_and_by_logging_out(serving: Serving, diary: Diary) -> None:
    client = serving(site(diary.ledger, diary.clock, token=TOKEN))
    log_in(client)
    assert client.get("/").status_code == 200
    diary.after(12 * HOUR)
    assert client.get("/").status_code == 303
    log_in(client)
    client.post("/logout", data={"form_token": form_token(client)})
    assert client.get("/").status_code == 303


def test_a_changed_cookie_is_no_session(serving: Serving, diary: Diary) -> None:
    client = serving(site(diary.ledger, diary.clock, token=TOKEN))
    log_in(client)
    value = client.cookies[COOKIE].strip('"')
    for changed in (value[:-1] + ("0" if value[-1] != "0" else "1"), "A" + value[1:], value.partition(".")[0], ""):
        answer = httpx.get(f"{client.base_url}/", headers={"Cookie": f"{COOKIE}={changed}"})
        assert answer.status_code == 303


def test_another_token_ends_all_sessions_and_another_replica_does_not(serving: Serving, diary: Diary) -> None:
    first, replica = (serving(site(diary.ledger, diary.clock, token=TOKEN)) for _ in range(2))
    changed = serving(site(diary.ledger, diary.clock, token="a-new-token-of-the-tests"))
    log_in(first)
    for client, status in ((replica, 200), (changed, 303)):
        assert client.get("/", headers={"Cookie": f"{COOKIE}={first.cookies[COOKIE]}"}).status_code == status


def test_who_acts_is_in_the_journal(serving: Serving, diary: Diary) -> None:
    client = serving(site(diary.ledger, diary.clock, token=TOKEN))
    log_in(client, name="  Ana  <b>\n")
    client.post("/do/pause", data={"form_token": form_token(client)})
    assert "Ana &lt;b&gt;" in client.get("/journal").text


@pytest.mark.parametrize("token", [TOKEN, None])
def test_a_form_needs_its_session_its_token_and_its_own_site(serving: Serving, diary: Diary, token: str | None) -> None:
    client = serving(site(diary.ledger, diary.clock, token=token))
    if token:
        log_in(client)
    good = form_token(client)
    for data, headers in (
        ({}, {}),
        ({"form_token": "0"}, {}),
        ({"form_token": "ü"}, {}),
        ({"form_token": good}, {"Origin": "http://evil.example"}),
        ({"form_token": good}, {"Origin": "null"}),
        ({"form_token": good}, {"Sec-Fetch-Site": "cross-site"}),
        ({"form_token": good}, {"Sec-Fetch-Site": "same-site"}),
    ):
        refused = client.post("/do/pause", data=data, headers=headers)
        assert refused.status_code == 403, (data, headers)
    origin = str(client.base_url).rstrip("/")
    accepted = client.post("/do/pause", data={"form_token": good}, headers={"Origin": origin})
    assert accepted.status_code == 303
    stranger = httpx.post(f"{client.base_url}/do/resume", data={"form_token": good})
    assert stranger.status_code == 303
    assert stranger.headers["location"] == "/login"


def test_without_a_token_only_this_machine_is_let_in(serving: Serving, diary: Diary) -> None:
    here = serving(site(diary.ledger, diary.clock))
    assert here.get("/").status_code == 200
    assert here.get("/login").headers["location"] == "/"
    for foreign in ({"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}):
        assert httpx.get(f"{here.base_url}/", headers=foreign).status_code == 403
    rebound = {"Host": "evil.example", "Cookie": f"{COOKIE}={here.cookies[COOKIE]}"}
    assert httpx.get(f"{here.base_url}/needs", headers=rebound).status_code == 403
    closed = serving(site(diary.ledger, diary.clock, here=False))
    refused = closed.get("/")
    assert (refused.status_code, "web.api_token" in refused.text) == (403, True)


def test_a_part_of_a_page_that_is_renewed_sends_the_whole_page_to_the_login(serving: Serving, diary: Diary) -> None:
    client = serving(site(diary.ledger, diary.clock, token=TOKEN))
    answer = client.get("/needs", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login?next=%2Fneeds")


def test_a_form_that_is_too_long_is_refused(serving: Serving, diary: Diary) -> None:
    client = serving(site(diary.ledger, diary.clock, token=TOKEN))
    assert client.post("/login", content=b"x" * 70_000).status_code == 413
    assert client.post("/login", content=b"&".join([b"a=1"] * 200)).status_code == 400
    assert client.post("/login", content=b"\xff\xfe").status_code == 400


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/needs?process=x", "/needs?process=x"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/login", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
    ],
)
def test_the_login_leads_to_pages_of_the_console_only(path: str, leads_to: str) -> None:
    assert local_path(path) == leads_to
