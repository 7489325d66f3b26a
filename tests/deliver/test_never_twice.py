"""Any order of events: at most one message per reminder, and a valid life in the published records."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from sqlalchemy import select

from consumer.clock import DAY, HOUR, MINUTE, SECOND
from consumer.deliver.lifecycle import FINAL, SILENT, TRANSITIONS, Status
from consumer.ledger.schema.tables import attempts
from consumer.onemsg.outcomes import NotTransmitted, Outcome, Rejected, Remedy, Unknown
from consumer.testing import Killed

from ..timelines.deliver_diary import Diary

USERS = ("ana", "ben")
ANSWERS: list[Outcome | BaseException | int] = [
    0,
    10 * SECOND,
    Killed(),
    Killed(),
    Unknown(reason="timeout"),
    Unknown(reason="timeout"),
    NotTransmitted(reason="connect"),
    Rejected(reason="provider_error", remedy=Remedy.TRANSIENT),
    Rejected(reason="payment_problem", remedy=Remedy.CHANNEL),
    Rejected(reason="template_missing", remedy=Remedy.CHANNEL, template=True),
]

users = st.sampled_from(USERS)
works = st.tuples(st.just("works"), st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=3))
steps = st.one_of(
    works,
    works,
    st.tuples(st.sampled_from(["due", "due", "returned", "completed", "knows"]), users, st.sampled_from([0, 1])),
    st.tuples(st.just("passes"), st.sampled_from([SECOND, 31 * SECOND, 3 * MINUTE, HOUR, 25 * HOUR])),
    st.tuples(st.just("reports"), st.integers(1, 4), st.sampled_from(["sent", "delivered", "read", "failed"])),
    st.tuples(st.just("crashes")),
)


def live(diary: Diary, happens: tuple[object, ...]) -> None:
    match happens:
        case ("due" | "returned" | "completed" as kind, str(user), int(step)):
            lapsed = "Mon 09:00" if step == 0 else "Wed 09:00"
            getattr(diary, kind)(user, step=step, lapsed=lapsed)
        case ("knows", str(user), _):
            diary.knows(user, name=user)
        case ("works", list(answers)):
            diary.onemsg.answers = list(answers)
            try:
                diary.detect_is_at().works()
            except Killed:
                diary.crashes_and_restarts()
            diary.onemsg.answers = []
        case ("passes", int(span)):
            diary.after(span)
        case ("reports", int(number), str(status)):
            diary.reports(f"wamid.{number}", status)
        case _:
            diary.crashes_and_restarts()


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(steps, min_size=3, max_size=25))
def test_at_most_one_message_per_reminder_in_any_story(story: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        diary = Diary(Path(folder))
        for user in USERS:
            diary.knows(user, name=user).due(user)
        for happens in story:
            live(diary, happens)
        for _ in range(8):
            diary.after(DAY).detect_is_at().works()
        nobody_was_written_to_twice(diary)
        every_life_is_in_order_and_ends(diary)
        diary.close()


def nobody_was_written_to_twice(diary: Diary) -> None:
    with diary.ledger.reading() as connection:
        gone = Counter(
            connection.scalars(select(attempts.c.reminder_id).where(attempts.c.may_have_been_sent.is_(True)))
        )
        tried = len(connection.execute(select(attempts)).all())
    assert set(gone.values()) <= {1}
    assert len(diary.onemsg.sent) <= tried


def every_life_is_in_order_and_ends(diary: Diary) -> None:
    lives: dict[str, list[tuple[int, Status]]] = {}
    for record in diary.topic:
        lives.setdefault(record.reminder_id, []).append((record.sequence, Status(record.status)))
    for row in diary.rows():
        life = lives.get(row.reminder_id, [])
        assert [sequence for sequence, _ in life] == list(range(1, row.sequence + 1))
        reached = {Status.PLANNED}
        for _, status in life:
            through_silence = {goes for silent in SILENT for goes in TRANSITIONS[silent]}
            assert any(status in TRANSITIONS[before] for before in reached) or status in through_silence
            reached = {status}
        assert life[-1][1] == row.status
        assert row.status in FINAL | {Status.ACCEPTED, Status.SENT}
        assert row.due_at is None
        assert row.lease_until is None
        assert row.unknown_since is None


@pytest.mark.slow
def test_sender_and_intake_at_the_same_time(ledger_url: str, tmp_path: Path) -> None:
    diary = Diary(tmp_path, url=ledger_url)
    names = [f"user {n}" for n in range(60)]
    for name in names:
        diary.knows(name, name=name)

    def ask_and_ask_again() -> None:
        for turn in range(3):
            for n, name in enumerate(names):
                diary.due(name, lapsed="Mon 09:00")
                if turn == 1 and n % 2:
                    diary.returned(name, lapsed="Mon 09:00")

    async def story() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(diary.parts.sender.run(stop, idle_ms=1))
        await asyncio.to_thread(ask_and_ask_again)
        while await diary.parts.sender.step():
            await asyncio.sleep(0)
        stop.set()
        await running

    asyncio.run(story())
    diary.publishes()
    sent = Counter(message.params[0] for message in diary.onemsg.sent)
    assert set(sent.values()) == {1}
    counts = Counter(status.status for status in diary.topic)
    assert counts["accepted"] + counts["cancelled"] == len(names)
    assert counts["accepted"] == len(sent)
    diary.close()
