"""Many reminders through a sandbox in which everything goes wrong, and what the three books say afterwards.

Sandbox, sender and webhook are real servers and clients that talk to each other all the time; one clock, which a story
moves, tells all of them what time it is. Only what the sandbox delays takes real time.
"""

import asyncio
from collections import Counter, defaultdict
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
from consumer.web.health import Health
from consumer.web.routes import build
from consumer.web.server import serve
from consumer.web.webhook import WebhookEndpoint
from tests.timelines.deliver_diary import PLAN, Diary

FAULTS = (
    "slow=0.03,slow_ms=1700,hangup=0.02,5xx=0.03,queued=0.02,html=0.02,no_id=0.02,created=0.03,refuse=0.02,"
    "string_false=0.02,429=0.01,429_after=0.01,dup=0.1,reorder=0.1,early=0.05,foreign=0.05,lost=0.1"
)
_TIMEOUT = 1500
"""Milliseconds: what is slow comes too late."""
_SECRET = "a-secret-of-the-storm"
_LONGEST = 6 * DAY
_PAUSE = 5 * SECOND
_RANKS = ("accepted", "sent", "delivered", "read")


@dataclass(frozen=True)
class Books:
    """What the sandbox took, what the ledger holds, and what everybody else was told."""

    accepted: Sequence[dict[str, Any]]
    rows: Sequence[ReminderRow]
    topic: Sequence[DeliveryStatus]

    def counts(self) -> Counter[str]:
        """Reminders by where they stand in the end."""
        return Counter(f"{row.status} {row.reason}" if row.reason else row.status for row in self.rows)

    def found(self) -> list[ReminderRow]:
        """Those whose fate was unknown until their message was seen from outside."""
        unknown = {record.reminder_id for record in self.topic if record.status == "unknown"}
        return [row for row in self.rows if row.reminder_id in unknown and row.message_id is not None]

    def in_doubt(self) -> list[ReminderRow]:
        """Those of which nobody can tell whether they went out."""
        return [row for row in self.rows if row.status == "unresolved"]

    def taken_in_doubt(self) -> int:
        """How many of those the sandbox has taken after all."""
        phones = {message["phone"] for message in self.accepted if message["status"] != "failed"}
        return sum(row.phone in phones for row in self.in_doubt())

    def contradictions(self) -> Iterator[str]:
        """Everything in which they do not agree, or that ought not to be."""
        arrived, of_phone = defaultdict(list), {row.phone: row for row in self.rows if row.phone}
        for message in self.accepted:
            if message["status"] != "failed":
                arrived[message["phone"]].append(message["id"])
        for phone, ids in arrived.items():
            if len(ids) > 1:
                yield f"{phone} was written to {len(ids)} times"
            if (row := of_phone[phone]).message_id != ids[0] and row.status != "unresolved":
                yield f"{phone} got a message, and its reminder is {row.status}"
        yield from self._told()
        there = {message["id"]: message for message in self.accepted}
        for row in self.rows:
            if row.message_id is not None:
                yield from _compared(row, there.get(row.message_id))

    def _told(self) -> Iterator[str]:
        records = defaultdict(list)
        for record in self.topic:
            records[record.reminder_id].append(record)
        for row in self.rows:
            told = records[row.reminder_id]
            if [record.sequence for record in told] != list(range(1, row.sequence + 1)):
                yield f"{row.reminder_id}: records are missing, doubled or out of order"
            elif (told[-1].status, told[-1].reason, told[-1].message_id) != (row.status, row.reason, row.message_id):
                yield f"{row.reminder_id}: is {row.status}, and others were told {told[-1].status}"
            elif not told[-1].final or not (row.status in FINAL or row.reason == NO_REPORT):
                yield f"{row.reminder_id}: is left at {row.status}"


def _compared(row: ReminderRow, message: dict[str, Any] | None) -> Iterator[str]:
    if message is None or message["phone"] != row.phone:
        yield f"{row.reminder_id}: has a message id that was not given for it"
    elif (message["status"] == "failed") != (row.status == "failed"):
        yield f"{row.reminder_id}: is {row.status}, and its message has {message['status']}"
    elif row.status in _RANKS and _RANKS.index(row.status) > _RANKS.index(message["status"]):
        yield f"{row.reminder_id}: is {row.status}, and its message only {message['status']}"


def storm(folder: Path, *, reminders: int, seed: int, faults: str = FAULTS, url: str | None = None) -> Books:
    """So many reminders, each for somebody else, from their lapses until nothing more is intended for any."""
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
            _lapse(diary, reminders)
            asyncio.run(_blow(diary, sandbox))
            return Books(sandbox.messages(), diary.rows(), diary.publishes().topic)
    finally:
        diary.close()


def _lapse(diary: Diary, number: int) -> None:
    now, people = diary.clock.now(), [(f"user {each}", f"+34612{each:06}") for each in range(number)]
    contacts = [Contact(user_id=u, name=u, phone=phone, opt_in=True, updated_at=now) for u, phone in people]
    diary.intake.contacts([diary._received("contacts", contact) for contact in contacts])
    diary.intake.reminders([diary._received("reminders", diary.ask_of("DUE", user)) for user, _ in people])


async def _blow(diary: Diary, sandbox: Sandbox) -> None:
    channel = OneMsgClient(
        base_url=sandbox.base_url,
        channel_id=sandbox.channel_id,
        token=sandbox.token,
        timeout=_TIMEOUT,
        now=diary.clock.now,
    )
    diary.talks_to(channel)
    async with channel, _webhook(diary) as url:
        await asyncio.to_thread(sandbox.register, url)
        end, span = diary.clock.now() + _LONGEST, _PAUSE
        while diary.clock.now() < end and _waits(diary):
            span = _PAUSE if await _round(diary, sandbox) else min(2 * span, HOUR)
            diary.clock.advance(span)


def _waits(diary: Diary) -> bool:
    """Whether there is a reminder that will be looked at again."""
    r = reminders_table.c
    moments = (r.due_at, r.lease_until, r.unknown_since, r.quiet_from)
    with diary.ledger.reading() as connection:
        return bool(connection.scalar(select(or_(*(exists().where(m.is_not(None)) for m in moments)))))


async def _round(diary: Diary, sandbox: Sandbox) -> int:
    """All that can be done at this moment. Returns how many reminders were decided about."""
    await asyncio.to_thread(diary.detect_is_at)
    decided = 0
    while done := await diary.sender.step():
        decided += done
    while (await asyncio.to_thread(sandbox.stats))["callbacks"]["pending"]:
        await asyncio.sleep(0.02)
    await diary.inbox.idle()
    while await diary.tracker.step():
        continue
    return decided


@asynccontextmanager
async def _webhook(diary: Diary) -> AsyncIterator[str]:
    webhook = WebhookEndpoint(inbox=diary.inbox, secret=SecretStr(_SECRET), outcomes=diary.metrics.webhooks)
    pages = build(health=Health(diary.clock.monotonic), metrics=CollectorRegistry(), webhook=webhook)
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(pages, "127.0.0.1", 0, stop, listening=port.set_result))
    try:
        yield f"http://127.0.0.1:{await port}/webhooks/1msg/{_SECRET}"
    finally:
        stop.set()
        await serving
