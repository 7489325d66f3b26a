"""Send many reminders through a sandbox with many faults, then compare sandbox, ledger and delivery-status.

Sandbox, sender and webhook are real servers and clients; one clock, which the test moves, is the clock of all of them.
Only the sandbox's own delays take real time.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from sqlalchemy import exists, or_, select

from consumer.clock import DAY, HOUR, SECOND
from consumer.deliver.lifecycle import FINAL, NO_REPORT
from consumer.ledger.schema.rows import ReminderRow
from consumer.ledger.schema.tables import reminders as reminders_table
from consumer.onemsg.client import OneMsgClient
from consumer.records import Contact, DeliveryStatus
from consumer.sandbox.app import Setup
from consumer.sandbox.channel_state import ChannelSettings
from consumer.sandbox.faults.fates import Habits
from consumer.sandbox.server import Sandbox, running
from consumer.testing import PLAN
from consumer.web.health import Health
from consumer.web.routes import build
from consumer.web.server import listen, serve
from consumer.web.webhook import WebhookEndpoint
from tests.timelines.deliver_diary import Diary

FAULTS = (
    "slow=0.03,slow_ms=1700,hangup=0.02,5xx=0.03,queued=0.02,html=0.02,no_id=0.02,created=0.03,refuse=0.02,"
    "string_false=0.02,429=0.01,429_after=0.01,dup=0.1,reorder=0.1,early=0.05,foreign=0.05,lost=0.1"
)
_TIMEOUT_MS = 1500
"""Shorter than the sandbox's slow answers."""
_SECRET = "a-secret-of-the-storm"
_MAX_SPAN_MS = 6 * DAY
_STEP_MS = 5 * SECOND
_RANKS = ("accepted", "sent", "delivered", "read")


@dataclass(frozen=True)
class Books:
    """What the sandbox accepted, what the ledger holds, and what is on delivery-status."""

    accepted: Sequence[dict[str, Any]]
    rows: Sequence[ReminderRow]
    topic: Sequence[DeliveryStatus]

    def found(self) -> list[ReminderRow]:
        """Return those that were unknown until their message was found."""
        unknown = {record.reminder_id for record in self.topic if record.status == "unknown"}
        return [row for row in self.rows if row.reminder_id in unknown and row.message_id is not None]

    def unresolved(self) -> list[ReminderRow]:
        """Return those that stay unresolved: nobody knows whether they were sent."""
        return [row for row in self.rows if row.status == "unresolved"]

    def accepted_unresolved(self) -> int:
        """Return how many of the unresolved ones the sandbox has accepted."""
        phones = {message["phone"] for message in self.accepted if message["status"] != "failed"}
        return sum(row.phone in phones for row in self.unresolved())

    def contradictions(self) -> Iterator[str]:
        """Yield everything in which the three disagree, and every duplicate."""
        arrived, of_phone = defaultdict(list), {row.phone: row for row in self.rows if row.phone}
        for message in self.accepted:
            if message["status"] != "failed":
                arrived[message["phone"]].append(message["id"])
        for phone, ids in arrived.items():
            if len(ids) > 1:
                yield f"{phone} was written to {len(ids)} times"
            if (row := of_phone[phone]).message_id != ids[0] and row.status != "unresolved":
                yield f"{phone} got a message, and its reminder is {row.status}"
        yield from self._topic_contradictions()
        there = {message["id"]: message for message in self.accepted}
        for row in self.rows:
            if row.message_id is not None:
                yield from _compared(row, there.get(row.message_id))

    def _topic_contradictions(self) -> Iterator[str]:
        records = defaultdict(list)
        for record in self.topic:
            records[record.reminder_id].append(record)
        for row in self.rows:
            written = records[row.reminder_id]
            if [record.sequence for record in written] != list(range(1, row.sequence + 1)):
                yield f"{row.reminder_id}: records are missing, doubled or out of order"
            elif (written[-1].status, written[-1].reason, written[-1].message_id) != (
                row.status,
                row.reason,
                row.message_id,
            ):
                yield f"{row.reminder_id}: is {row.status}, and others were told {written[-1].status}"
            elif not written[-1].final or not (row.status in FINAL or row.reason == NO_REPORT):
                yield f"{row.reminder_id}: is left at {row.status}"


def _compared(row: ReminderRow, message: dict[str, Any] | None) -> Iterator[str]:
    if message is None or message["phone"] != row.phone:
        yield f"{row.reminder_id}: has a message id that was not given for it"
    elif (message["status"] == "failed") != (row.status == "failed"):
        yield f"{row.reminder_id}: is {row.status}, and its message has {message['status']}"
    elif row.status in _RANKS and _RANKS.index(row.status) > _RANKS.index(message["status"]):
        yield f"{row.reminder_id}: is {row.status}, and its message only {message['status']}"


def storm(folder: Path, *, reminders: int, seed: int, faults: str = FAULTS, url: str | None = None) -> Books:
    """Send so many reminders, one for each person, until no timer is left. Returns the three records of it."""
    setup = Setup(
        faults=f"seed={seed},{faults}",
        seed=seed,
        fixed_fates=False,
        habits=Habits(delays=(20, 200), failed=0.05),
        settings=ChannelSettings(echo=True),
    )
    plan = replace(
        PLAN, template=setup.templates[0].name, namespace=setup.namespace, language=setup.templates[0].language
    )
    diary = Diary(folder, url=url, plans={"account-setup": plan})
    try:
        with running(setup, diary.clock.now) as sandbox:
            _write_lapses(diary, reminders)
            asyncio.run(_run(diary, sandbox))
            return Books(sandbox.messages(), diary.rows(), diary.publishes().topic)
    finally:
        diary.close()


def _write_lapses(diary: Diary, number: int) -> None:
    now, people = diary.clock.now(), [(f"user {each}", f"+34612{each:06}") for each in range(number)]
    contacts = [Contact(user_id=u, name=u, phone=phone, opt_in=True, updated_at=now) for u, phone in people]
    diary.parts.intake.take_contacts([diary.received("contacts", contact) for contact in contacts])
    diary.parts.intake.take_reminders([diary.received("reminders", diary.reminder("DUE", user)) for user, _ in people])


async def _run(diary: Diary, sandbox: Sandbox) -> None:
    channel = OneMsgClient(
        base_url=sandbox.base_url,
        channel_id=sandbox.channel_id,
        token=sandbox.token,
        timeout_ms=_TIMEOUT_MS,
        now=diary.clock.now,
    )
    diary.talks_to(channel)
    async with channel, _webhook(diary) as url:
        await asyncio.to_thread(sandbox.register, url)
        await diary.parts.template_watcher.check()  # by the template's text lost messages are recognised
        end, span = diary.clock.now() + _MAX_SPAN_MS, _STEP_MS
        while diary.clock.now() < end and _has_timers(diary):
            span = _STEP_MS if await _round(diary, sandbox) else min(2 * span, HOUR)
            diary.clock.advance(span)


def _has_timers(diary: Diary) -> bool:
    """Return whether any reminder still has a timer."""
    r = reminders_table.c
    moments = (r.due_at, r.lease_until, r.unknown_since, r.quiet_since)
    with diary.ledger.reading() as connection:
        return bool(connection.scalar(select(or_(*(exists().where(m.is_not(None)) for m in moments)))))


async def _round(diary: Diary, sandbox: Sandbox) -> int:
    """Do everything that is due now. Returns how many reminders were decided."""
    await asyncio.to_thread(diary.detect_is_at)
    decided = 0
    while done := await diary.parts.sender.step():
        decided += done
    while (await asyncio.to_thread(sandbox.stats))["callbacks"]["pending"]:
        await asyncio.sleep(0.02)
    await diary.parts.inbox.idle()
    while await diary.parts.poller.step():
        continue
    return decided


@asynccontextmanager
async def _webhook(diary: Diary) -> AsyncIterator[str]:
    webhook = WebhookEndpoint(inbox=diary.parts.inbox, secrets=[SecretStr(_SECRET)], outcomes=diary.metrics.webhooks)
    pages = build(health=Health(diary.clock.monotonic), metrics=CollectorRegistry(), webhook=webhook)
    stop, listener = asyncio.Event(), listen("127.0.0.1", 0)
    serving = asyncio.create_task(serve(pages, listener, stop))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/webhooks/1msg/{_SECRET}"
    finally:
        stop.set()
        await serving
