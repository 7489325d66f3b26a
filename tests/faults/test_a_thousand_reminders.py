"""Everything goes wrong at once, and still: nobody is written to twice, and nothing is lost sight of."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from consumer.clock import DAY, MINUTE, SECOND, SystemClock
from consumer.deliver.lifecycle import FINAL
from consumer.deliver.sender import Sender
from consumer.deliver.tracker import Tracker
from consumer.onemsg.client import OneMsg
from consumer.records import Contact
from consumer.sandbox.app import Setup
from consumer.sandbox.fates import Habits
from consumer.sandbox.server import Sandbox, running
from consumer.sandbox.state import Settings
from tests.sandbox.receiver import Receiver, receiving
from tests.timelines.deliver_diary import PLAN, Diary

MANY = 1000
FAULTS = (
    "slow=0.03,slow_ms=1500,hangup=0.02,5xx=0.03,queued=0.02,html=0.02,no_id=0.02,created=0.03,refuse=0.02,"
    "string_false=0.02,429=0.02,429_after=0.02,dup=0.1,reorder=0.1,early=0.05,foreign=0.05,lost=0.1"
)


def diary_at(folder: Path, sandbox: Sandbox, channel: OneMsg) -> Diary:
    plan = replace(PLAN, template=sandbox.template, namespace=sandbox.namespace, language=sandbox.language)
    diary = Diary(folder, plans={"account-setup": plan})
    diary.clock.advance(SystemClock().wall() - diary.clock.wall())  # the sandbox's own clock is the real one
    diary.sender = Sender(diary.claims, diary.answers, channel=channel, clock=diary.clock, metrics=diary.metrics)
    diary.tracker = Tracker(
        diary.ledger,
        medium="whatsapp",
        channel=channel,
        poll_after=2 * MINUTE,
        give_up_after=DAY,
        limits=diary.limits,
        clock=diary.clock,
        metrics=diary.metrics,
    )
    return diary


async def rounds(diary: Diary, sandbox: Sandbox, receiver: Receiver, channel: OneMsg) -> None:
    """All that is due is sent and followed, and time passes, until all has expired or been given up."""
    heard = 0
    async with channel:
        for span in [SECOND] * 3 + [MINUTE] * 8 + [30 * MINUTE] * 4 + [DAY // 2] * 12:
            await asyncio.to_thread(diary.detect_is_at)
            while await diary.sender.step():
                pass
            while sandbox.stats()["callbacks"]["pending"]:
                await asyncio.sleep(0.05)
            for body in receiver.bodies[heard:]:
                await diary.inbox.submit(json.dumps(body).encode())
                heard += 1
            await diary.inbox.idle()
            while await diary.tracker.step():
                pass
            diary.clock.advance(span)


@pytest.mark.parametrize("seed", [1, 2])
def test_at_most_one_message_reaches_each_and_every_life_is_accounted_for(tmp_path: Path, seed: int) -> None:
    habits = Habits(delays=(20, 200))
    setup = Setup(
        faults=f"seed={seed},{FAULTS}", seed=seed, fixed_fates=False, habits=habits, settings=Settings(echo=True)
    )
    with running(setup) as sandbox, receiving() as receiver:
        sandbox.register(receiver.url)
        channel = OneMsg(base_url=sandbox.base_url, channel_id=sandbox.channel_id, token=sandbox.token, timeout=SECOND)
        diary = diary_at(tmp_path, sandbox, channel)
        now = diary.clock.wall()
        people = [(f"user {number}", f"+34612{number:06}") for number in range(MANY)]
        contacts = [Contact(user_id=u, name=u, phone=phone, opt_in=True, updated_at=now) for u, phone in people]
        diary.intake.contacts([diary._received("contacts", contact) for contact in contacts])
        diary.intake.reminders([diary._received("reminders", diary.ask_of("DUE", user)) for user, _ in people])
        asyncio.run(rounds(diary, sandbox, receiver, channel))
        diary.publishes()
        accepted = sandbox.messages()
    rows = {row.phone: row for row in diary.rows()}
    assert len(rows) == MANY

    arrived = Counter(message["phone"] for message in accepted if message["status"] != "failed")
    assert set(arrived.values()) == {1}
    last = {told.reminder_id: told for told in diary.topic}
    assert len(last) == MANY
    for row in rows.values():
        told = last[row.reminder_id]
        assert (told.status, told.message_id) == (row.status, row.message_id)
        assert told.final
        assert row.status in FINAL or told.reason == "no_report"
    there = {message["id"]: message["phone"] for message in accepted}
    for row in rows.values():
        assert row.message_id is None or there[row.message_id] == row.phone
    for message in accepted:
        row = rows[message["phone"]]
        assert message["status"] == "failed" or row.message_id == message["id"] or row.status == "unresolved"
    # (About every second of these never went out, or went out at another time than the story's clock says.)
    assert sum(row.status == "unresolved" for row in rows.values()) < MANY // 5
    diary.close()
