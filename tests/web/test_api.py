"""The API keeps what its description says: every operation is asked what it allows, and what it does not."""

import asyncio
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from starlette.applications import Starlette

from consumer.clock import HOUR, ManualClock, SystemClock
from consumer.insight.published_backtest import dump
from consumer.ledger import queries
from consumer.onemsg.outcomes import Unknown
from consumer.web.api.reuse import Reuse, reuse_time
from tests.timelines.deliver_diary import Diary

from .conftest import Serving, served
from .site import PUBLISHED, site, turning_brake

TOKEN = "a-token-of-the-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An API with something of everything."""
    diary = Diary(tmp_path_factory.mktemp("api"), clock=ManualClock(SystemClock().now()))
    diary.onemsg.answers = [Unknown(reason="timeout")]
    diary.detect_is_at().knows("maria").due("maria").works().after(26 * HOUR).detect_is_at().works()
    diary.due("nina").works().knows("ana", "Ana", "+34 612 000 001").hears("please leave me alone now", "34612000001")
    with diary.ledger.transaction() as connection:
        queries.reporting.backtests.put(connection, diary.clock.now(), dump(PUBLISHED))
    with served(site(diary.ledger, diary.clock, token=TOKEN, brake=turning_brake(SystemClock(), 600))) as url:
        yield url
    diary.close()


@pytest.mark.slow
def test_every_operation_keeps_what_the_description_says(address: str) -> None:
    import schemathesis  # takes its time to load, and every worker collects every test
    from schemathesis import GenerationMode

    described: Any = schemathesis.openapi.from_url(f"{address}/api/openapi.json", headers=BEARER)
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) == 15
    for operation in operations:
        _ask(operation, GenerationMode.POSITIVE)
        if operation.query or operation.body:
            _ask(operation, GenerationMode.NEGATIVE)


def _ask(operation: Any, mode: Any) -> None:
    """Send what the description allows, or what it does not, and check the answers against it."""

    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        case.call_and_validate(headers=BEARER)

    ask()


def test_every_route_of_the_api_is_described(address: str, diary: Diary) -> None:
    told = httpx.get(f"{address}/api/openapi.json", headers=BEARER).json()
    app = site(diary.ledger, diary.clock, brake=turning_brake(SystemClock(), 0.1))
    assert isinstance(app, Starlette)
    offered = {
        (route.path, method.lower())  # type: ignore[attr-defined]
        for route in app.routes
        for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
        if route.path.startswith("/api/")  # type: ignore[attr-defined]
    }
    assert offered == {(path, method) for path, methods in told["paths"].items() for method in methods}


def test_the_description_says_whether_a_token_is_needed(serving: Serving, diary: Diary) -> None:
    described = serving(site(diary.ledger, diary.clock)).get("/api/openapi.json").json()
    assert described["security"] == []
    assert serving(site(diary.ledger, diary.clock, token=TOKEN)).get("/api/openapi.json").status_code == 401


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {"content-type": "application/json"}, 400),
        (b'{"process": 7}', {"content-type": "application/json"}, 400),
        (b'{"cheese": "x"}', {"content-type": "application/json"}, 400),
        (b"process=checkout", {"content-type": "application/x-www-form-urlencoded"}, 415),
        (b'{"process": "' + b"x" * 70_000 + b'"}', {"content-type": "application/json"}, 413),
        (b'{"process": "cheese"}', {"content-type": "application/json"}, 409),
        (b'{"process": "checkout"}', {"content-type": "application/json; charset=utf-8"}, 200),
    ],
)
def test_a_body_is_judged(address: str, body: bytes, headers: dict[str, str], status: int) -> None:
    answer = httpx.post(f"{address}/api/actions/pause", content=body, headers={**BEARER, **headers})
    assert answer.status_code == status
    assert ("words" in answer.json()) == (status == 200)
    assert "error" in answer.json() or status == 200
    assert "xxxx" not in answer.text


def test_what_the_api_does_is_journalled_and_seen_at_once(address: str) -> None:
    with httpx.Client(base_url=address, headers=BEARER) as client:
        client.post("/api/actions/resume", json={}).raise_for_status()
        before = client.get("/api/now").json()["paused"]
        client.post("/api/actions/pause", json={}).raise_for_status()
        assert {None} == {each["process"] for each in client.get("/api/now").json()["paused"]} - {
            each["process"] for each in before
        }
        [entry, *_] = client.get("/api/journal").json()["entries"]
    assert (entry["via"], entry["action"], entry["subject"]) == ("api", "pause", "everything")


def test_many_open_pages_count_the_ledger_once() -> None:
    clock, made = ManualClock(), count(1)

    async def ask() -> None:
        reuse = Reuse[int](clock)
        assert await asyncio.gather(*(reuse.get("now", made.__next__) for _ in range(20))) == [1] * 20
        clock.advance(reuse_time(0))
        assert await reuse.get("now", made.__next__) == 2
        reuse.forget()
        assert await reuse.get("now", made.__next__) == 3

    asyncio.run(ask())


def test_an_answer_made_while_something_changed_is_not_kept() -> None:
    clock = ManualClock()

    async def ask() -> None:
        reuse = Reuse[str](clock)

        def make() -> str:
            reuse.forget()
            return "before"

        assert await reuse.get("now", make) == "before"
        assert await reuse.get("now", lambda: "after") == "after"

    asyncio.run(ask())


def test_reuse_time_grows_with_the_time_of_making() -> None:
    assert [reuse_time(making) for making in (0, 10, 50, 100, 3_000)] == [500, 500, 2_500, 5_000, 5_000]
