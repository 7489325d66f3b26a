"""Who may see and release the brake over HTTP."""

from pathlib import Path

import httpx
import pytest

from consumer.clock import SystemClock
from consumer.ledger import queries
from consumer.ledger.store import Ledger
from consumer.web.auth import is_loopback

from ..ledger.databases import unused_sqlite
from .conftest import Serving
from .site import site, turning_brake

TOKEN = "a token that nobody guesses"


def client(
    serving: Serving, *, token: str | None = None, here: bool = True, ledger: Ledger | None = None
) -> httpx.Client:
    clock = SystemClock()
    return serving(site(ledger, clock, token=token, here=here, brake=turning_brake(clock)))


def test_brake_needs_no_token_on_loopback(serving: Serving) -> None:
    api = client(serving)
    nothing: dict[str, object] = {"engaged": None, "released": None, "held": 0, "distrusted": [], "words": []}
    assert api.get("/api/brake").json() == nothing
    assert api.post("/api/brake/release").json() == nothing
    assert api.get("/api/brake/release").status_code == 405


def test_a_release_is_journalled_where_there_is_a_ledger(serving: Serving, tmp_path: Path) -> None:
    ledger = Ledger(unused_sqlite(tmp_path))
    client(serving, ledger=ledger).post("/api/brake/release").raise_for_status()
    with ledger.reading() as connection:
        [entry] = queries.operating.journal.latest(connection, 9)
    assert (entry.via, entry.action, entry.subject) == ("api", "release", "brake")
    ledger.close()


def test_web_page_in_a_local_browser_cannot_release(serving: Serving) -> None:
    api = client(serving)
    assert api.post("/api/brake/release", headers={"origin": "https://evil.example"}).status_code == 403
    assert api.get("/api/brake", headers={"host": "rebound.example:8080"}).status_code == 403


def test_brake_is_closed_without_a_token_elsewhere(serving: Serving) -> None:
    refused = client(serving, here=False).post("/api/brake/release")
    assert refused.status_code == 403
    assert "web.api_token" in refused.json()["error"]


@pytest.mark.parametrize("told", ["", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer", "Bearer \xfc"])
def test_wrong_token_is_refused(serving: Serving, told: str) -> None:
    api = client(serving, token=TOKEN, here=False)
    headers = {"authorization": told.encode("latin-1")}
    refused = api.post("/api/brake/release", headers=headers)  # type: ignore[arg-type]
    assert refused.status_code == 401
    assert TOKEN not in refused.text


def test_right_token_is_accepted(serving: Serving) -> None:
    api = client(serving, token=TOKEN, here=False)
    assert api.get("/api/brake", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.9.9.9"])
def test_loopback_addresses(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "lapse.example", "127.0.0.1.example", ""])
def test_other_addresses_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)
