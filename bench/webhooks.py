"""A thousand callbacks a second, beside sending: how soon each is acknowledged, beside a bare endpoint in one run.

    python -m bench.webhooks [--rate 1000] [--seconds 10]

Two processes: one is deliver (webhook, inbox, poller, and a sender at 80 a second against a sandbox, which calls back
too), the other calls. It calls at its rate whatever the answers do, and counts a call's time from the moment at which
it should have been made. The bare endpoint is Starlette's, in a process of its own: it reads the body and answers.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

import httpx
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bench.measured_replica import MeasuredReplica
from bench.send import client
from consumer import log
from consumer.clock import SystemClock
from consumer.config.sections.service import WEBHOOK_PATH, LogSettings
from consumer.ledger.schema.tables import reminders
from consumer.testing import FakeOneMsg
from consumer.web import routes
from consumer.web.health import Health
from consumer.web.server import listen, serve
from consumer.web.webhook import WebhookEndpoint
from tests.app.service import Sandbox, sandbox

_SECRET = "a-secret-of-the-bench"
_PATH = WEBHOOK_PATH + _SECRET
_ID_PREFIX = "wamid.bench"
_CONNECTIONS = 200
_SENDS = 80
_STATUSES = ("sent", "delivered", "read")
_FOREIGN = 10
"""One callback in so many is for a message that is not ours; it is parked."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rate", type=int, default=1_000)
    arguments.add_argument("--seconds", type=int, default=10)
    options = arguments.parse_args()
    calls = options.rate * options.seconds
    bare = _run("bare endpoint", _bare, "/", calls, options.rate, None)
    with sandbox("--latency", "50") as box:
        ours = _run("webhook, beside sending", _deliver, _PATH, calls, options.rate, box)
    print(f"p99 of the bare endpoint's: {ours.quantile(0.99) / bare.quantile(0.99):.1f} times")


Work: TypeAlias = Callable[[Connection, int, Sandbox | None], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Measured:
    """Milliseconds until each call was acknowledged, in order."""

    took: Sequence[float]

    def quantile(self, share: float) -> float:
        return self.took[min(len(self.took) - 1, int(share * len(self.took)))]


def _run(
    name: str,
    work: Work,
    path: str,
    calls: int,
    rate: int,
    box: Sandbox | None,
) -> Measured:
    """Serve in a process of its own, call it, and print what was measured."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serving, args=(work, theirs, calls, box and box.info)
    )
    process.start()
    try:
        port: int = ours.recv()
        measured = Measured(sorted(asyncio.run(_call(port, path, calls, rate))))
        ours.send("end")
        summary = ours.recv()
    finally:
        process.join(60)
    quantiles = "  ".join(f"p{share * 100:g} {measured.quantile(share):.1f}" for share in (0.5, 0.99, 0.999))
    print(f"{name:24} {rate} a second, milliseconds to the acknowledgement: {quantiles}  max {measured.took[-1]:.1f}")
    print(f"    {summary}", flush=True)
    return measured


# The caller


async def _call(port: int, path: str, calls: int, rate: int) -> list[float]:
    """Make each call at its time, over connections that stay open."""
    began = time.perf_counter() + 0.5
    numbers = iter(range(calls))
    lanes = [asyncio.create_task(_lane(port, path, numbers, began, rate)) for _ in range(_CONNECTIONS)]
    return [took for lane in await asyncio.gather(*lanes) for took in lane]


async def _lane(port: int, path: str, numbers: Iterator[int], began: float, rate: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for number in numbers:
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        body = _body(number)
        head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        length = next(int(line[15:]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        took.append((time.perf_counter() - due) * 1000)
    writer.close()
    return took


def _body(number: int) -> bytes:
    """The `ack[]` form as it is seen in production (docs/1msg.md#normalised-statuses)."""
    message, turn = number // len(_STATUSES), number % len(_STATUSES)
    ours = number % _FOREIGN
    ack = {
        "id": f"{_ID_PREFIX}.{message + 1}" if ours else f"wamid.OTHER{number}",
        "chatId": "15551230000@c.us",
        "phone": "15551230000",
        "bsuid": "US.123",
        "userName": None,
        "status": _STATUSES[turn],
        "category": "utility",
    }
    return json.dumps({"instanceId": "CH1", "ack": [ack]}).encode()


# What is called


def _serving(
    work: Work,
    told: Connection,
    calls: int,
    box: dict[str, str] | None,
) -> None:
    log.configure(LogSettings(level="warning"))
    asyncio.run(work(told, calls, None if box is None else Sandbox(box, None)))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def _open(app: Starlette) -> AsyncIterator[int]:
    stop, listener = asyncio.Event(), listen("127.0.0.1", 0)
    serving = asyncio.create_task(serve(app, listener, stop))
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        await serving


async def _until_told(told: Connection, port: int) -> float:
    """Let the caller begin, and wait for its end. Returns the seconds of CPU that this process used."""
    before = time.process_time()
    told.send(port)
    await asyncio.to_thread(told.recv)
    return time.process_time() - before


async def _bare(told: Connection, calls: int, box: Sandbox | None) -> None:
    async def take(request: Request) -> Response:
        await request.body()
        return JSONResponse({"stored": True})

    async with _open(Starlette(routes=[Route("/", take, methods=["POST"])])) as port:
        cpu = await _until_told(told, port)
    told.send(f"{cpu / calls * 1e6:.0f} µs of CPU a call")


async def _deliver(told: Connection, calls: int, box: Sandbox | None) -> None:
    assert box is not None
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'lapse.db'}"
        messages = calls // len(_STATUSES) + 1
        first = MeasuredReplica(url, FakeOneMsg(SystemClock(), id_prefix=_ID_PREFIX), box.info)
        first.fill(range(messages))
        while await first.sender.step():
            continue
        first.close()
        onemsg = client(box)
        replica = MeasuredReplica(url, onemsg, box.info, rate=_SENDS, linger_ms=10)
        replica.fill(range(messages, messages + _SENDS * (calls // 1000 + 5)))
        inbox = replica.parts.inbox
        webhook = WebhookEndpoint(inbox=inbox, secrets=[SecretStr(_SECRET)], outcomes=replica.metrics.webhooks)
        app = routes.build(health=Health(replica.clock.monotonic), metrics=CollectorRegistry(), webhook=webhook)
        stop = asyncio.Event()
        async with _open(app) as port:
            _register(box, f"http://127.0.0.1:{port}{_PATH}")
            works = [replica.sender.run(stop), _follow(replica, stop), _publish(replica, stop)]
            working = [asyncio.create_task(work) for work in works]
            cpu = await _until_told(told, port)
            stop.set()
            await asyncio.gather(*working)
            began = time.perf_counter()
            await inbox.idle()
            behind = time.perf_counter() - began
        with replica.ledger.reading() as connection:
            query = select(reminders.c.status, func.count()).group_by(reminders.c.status)
            statuses = ", ".join(f"{count} {status}" for status, count in connection.execute(query))
        await onemsg.aclose()
        replica.close()
    told.send(
        f"{cpu / calls * 1e6:.0f} µs of CPU a call, sending included; {behind:.1f} s later all was applied: {statuses}"
    )


def _register(box: Sandbox, url: str) -> None:
    address, bearer = (
        f"{box.info['base_url']}/{box.info['channel_id']}",
        {"Authorization": f"Bearer {box.info['token']}"},
    )
    httpx.post(f"{address}/webhook", headers=bearer, json={"webhookUrl": url}).raise_for_status()
    httpx.post(f"{address}/settings", headers=bearer, json={"ackNotificationsOn": True}).raise_for_status()


async def _follow(replica: MeasuredReplica, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await replica.parts.poller.step()
        await asyncio.sleep(1.0)


async def _publish(replica: MeasuredReplica, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await asyncio.to_thread(replica.publish)
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    main()
