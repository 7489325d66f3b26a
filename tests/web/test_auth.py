"""Who sees metrics and the details of health, and what wrong secrets cost."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from consumer.clock import MINUTE, ManualClock
from consumer.web.auth import ApiGuard
from consumer.web.health import Health
from consumer.web.routes import build
from consumer.web.wrong_secrets import LONGEST_DELAY_S, MAX_WAITING, WrongSecrets, delay_s

from .conftest import UNHURRIED

Serving = Callable[[ASGIApp], httpx.Client]
TOKEN = "a-token-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
FOREIGN = [{"Host": "rebound.example:8080"}, {"Origin": "http://evil.example"}]


def client(serving: Serving, token: str | None, *, here: bool) -> httpx.Client:
    health = Health(ManualClock().monotonic)
    health.register("sender").ok("channel stopped: wrong_token")
    guard = ApiGuard(token, open_to_this_machine=here, wrong_secrets=UNHURRIED)
    return serving(build(health=health, metrics=CollectorRegistry(), guard=guard))


@pytest.mark.parametrize("token", [None, TOKEN])
def test_this_machine_sees_everything_on_loopback_and_web_pages_do_not(serving: Serving, token: str | None) -> None:
    site = client(serving, token, here=True)
    assert "parts" in site.get("/readyz").json()
    assert "dead" in site.get("/healthz").json()
    assert site.get("/metrics").status_code == 200
    for foreign in FOREIGN:
        assert site.get("/readyz", headers=foreign).json() == {"ready": True}
        assert site.get("/healthz", headers=foreign).json() == {"alive": True}
        assert site.get("/metrics", headers=foreign).status_code == (401 if token else 403)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Host": "127.0.0.1"}])
def test_elsewhere_details_need_the_token(serving: Serving, headers: dict[str, str]) -> None:
    site = client(serving, TOKEN, here=False)
    assert site.get("/readyz", headers=headers).json() == {"ready": True}
    assert site.get("/healthz", headers=headers).json() == {"alive": True}
    assert site.get("/metrics", headers=headers).status_code == 401
    assert site.get("/readyz", headers=BEARER).json()["parts"]["sender"]["detail"] == "channel stopped: wrong_token"
    assert site.get("/metrics", headers=BEARER).status_code == 200


@pytest.mark.parametrize("headers", [{}, BEARER, {"Authorization": "Bearer"}])
def test_elsewhere_without_a_token_nobody_sees_details(serving: Serving, headers: dict[str, str]) -> None:
    site = client(serving, None, here=False)
    assert site.get("/readyz", headers=headers).json() == {"ready": True}
    refused = site.get("/metrics", headers=headers)
    assert (refused.status_code, "web.api_token" in refused.json()["error"]) == (403, True)


@pytest.mark.parametrize("path", ["/", "/nowhere", "/readyz", "/metrics", "/healthz"])
def test_no_answer_is_taken_for_another_type(serving: Serving, path: str) -> None:
    assert client(serving, None, here=True).get(path).headers["x-content-type-options"] == "nosniff"


def test_delay_grows_and_is_forgotten() -> None:
    assert [delay_s(count) for count in (1, 2, 3, 4, 8, 10_000)] == [0.05, 0.1, 0.2, 0.4, 5.0, LONGEST_DELAY_S]
    clock, slept = ManualClock(), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def guess(times: int) -> None:
        for _ in range(times):
            await wrong_secrets.delay()

    wrong_secrets = WrongSecrets(clock, sleep)
    asyncio.run(guess(4))
    clock.advance(MINUTE)
    asyncio.run(guess(1))
    assert slept == [0.05, 0.1, 0.2, 0.4, 0.05]


def test_only_so_many_refusals_wait_at_a_time() -> None:
    async def guess() -> None:
        open_now = asyncio.Event()
        wrong_secrets = WrongSecrets(ManualClock(), lambda seconds: open_now.wait())
        waiting = [asyncio.create_task(wrong_secrets.delay()) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(HTTPException, match="429"):
            await wrong_secrets.delay()
        open_now.set()
        await asyncio.gather(*waiting)
        await wrong_secrets.delay()

    asyncio.run(guess())
