"""Sends a second through the whole of the sender, beside bare POSTs by the same client, in the same run.

    python -m bench.send [--reminders 8000]

A sandbox that answers after 50 ms is a process of its own on the same cores. Each attempt is on the disk before its
request leaves, each answer before it is published; the channel's rate has no limit. The ledger's cost is CPU time of
the threads that work on it, by stage. Its size is that of a fresh ledger, of people who got one reminder each.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import select, text

from bench.measured_replica import IN_FLIGHT, MeasuredReplica, cpu_of, phone
from consumer import log
from consumer.clock import SECOND
from consumer.config.sections.service import LogSettings
from consumer.ledger.schema.tables import reminders
from consumer.ledger.store import Ledger
from consumer.onemsg.client import OneMsgClient
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.outcomes import Accepted
from tests.app.service import Sandbox, sandbox
from tests.ledger.postgresql import NoPostgres, running

_REPORTED = ("sent", "delivered", "read")
_STAGES = ("contacts", "intake", "preview", "claim", "record", "outbox")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--reminders", type=int, default=8_000)
    count = arguments.parse_args().reminders
    log.configure(LogSettings(level="warning"))
    with ExitStack() as stack:
        box = stack.enter_context(sandbox("--latency", "50"))
        bare = _rate("bare POSTs, same client", box, count, lambda: asyncio.run(_bare(box, count)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _sends("SQLite", f"sqlite:///{folder}/lapse.db", box, count, bare)
        try:
            postgres = stack.enter_context(running(durable=True))
        except NoPostgres as reason:
            print(f"PostgreSQL left out: {reason}")
        else:
            _sends("PostgreSQL", postgres, box, count, bare)


def _rate(name: str, box: Sandbox, count: int, run: Callable[[], None]) -> float:
    ours, theirs, began = time.process_time(), cpu_of(box.process.pid), time.perf_counter()
    run()
    rate = count / (time.perf_counter() - began)
    ours, theirs = time.process_time() - ours, cpu_of(box.process.pid) - theirs
    each = f"CPU a send: {ours / count * 1e6:.0f} µs ours, {theirs / count * 1e6:.0f} µs the sandbox's"
    print(f"{name:30} {rate:6.0f} sends a second    {each}", flush=True)
    return rate


async def _bare(box: Sandbox, count: int) -> None:
    channel, numbers = box.info, iter(range(500_000, 500_000 + count))
    async with client(box) as onemsg:

        async def lane() -> None:
            for number in numbers:
                message = TemplateMessage(
                    phone=phone(number),
                    template=channel["template"],
                    namespace=channel["namespace"],
                    language=channel["language"],
                    params=("Maria", "account setup"),
                )
                assert isinstance(await onemsg.send_template(message), Accepted)

        await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))


def _sends(name: str, url: str, box: Sandbox, count: int, bare: float) -> None:
    onemsg = client(box)
    replica = MeasuredReplica(url, onemsg, box.info)
    try:
        empty = _size(replica.ledger, url)
        replica.fill(range(count))
        rate = _rate(f"sender, {name}", box, count, lambda: asyncio.run(_send(replica, onemsg, count)))
        published = replica.publish()
        assert published == count, published
        size = (_size(replica.ledger, url) - empty) / count
        asyncio.run(_report(replica))
        assert replica.publish() == count * len(_REPORTED)
        read_size = (_size(replica.ledger, url) - empty) / count
    finally:
        replica.close()
    watch = replica.watch
    costs = "  ".join(f"{stage} {watch.cpu[stage] / count * 1e6:.0f}" for stage in _STAGES)
    total = sum(watch.cpu[stage] for stage in _STAGES[1:]) / count
    groups = f"{count / watch.calls['claim']:.0f} a claim, {count / watch.calls['record']:.0f} a record"
    print(f"    {rate / bare:.2f} of the bare POSTs; {groups}")
    print(f"    ledger {total * 1e6:.0f} µs of CPU a reminder: {costs}")
    print(f"    and {size:.0f} bytes, contact included; {read_size:.0f} once it is read", flush=True)


async def _send(replica: MeasuredReplica, onemsg: OneMsgClient, count: int) -> None:
    stop = asyncio.Event()
    accepted = replica.metrics.sends.labels("account-setup", "accepted", "")

    def stop_at_count() -> None:
        if accepted._value.get() >= count:
            stop.set()

    await replica.sender.run(stop, idle_ms=20, progress=stop_at_count)
    await onemsg.aclose()


async def _report(replica: MeasuredReplica) -> None:
    """1MSG reports every message as sent, delivered and read."""
    with replica.ledger.reading() as connection:
        ids = connection.scalars(select(reminders.c.message_id)).all()
    bodies = (json.dumps({"ack": [{"id": each, "status": status} for status in _REPORTED]}).encode() for each in ids)
    inbox = replica.parts.inbox
    await asyncio.gather(*map(inbox.submit, bodies))
    await inbox.idle()


def client(box: Sandbox) -> OneMsgClient:
    """Return Lapse's own client, as wiring/deliver/role.py makes it."""
    return OneMsgClient(
        base_url=box.info["base_url"],
        channel_id=box.info["channel_id"],
        token=box.info["token"],
        timeout_ms=10 * SECOND,
        max_connections=IN_FLIGHT,
    )


def _size(ledger: Ledger, url: str) -> int:
    """Return the bytes on the disk."""
    with ledger.reading() as connection:
        if url.startswith("sqlite"):
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            return int(pages) * int(connection.exec_driver_sql("PRAGMA page_size").scalar_one())
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())


if __name__ == "__main__":
    main()
