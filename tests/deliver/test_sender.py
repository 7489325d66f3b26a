"""Many at once: how fast, how many, what a slow answer holds up, and how it ends."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from consumer.clock import SECOND
from consumer.deliver.sending.results import AttemptResult, ResultRecorder
from consumer.deliver.sending.sender import Sender
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.outcomes import Accepted, Outcome

from ..timelines.deliver_diary import LEASE, Diary, FakeChannel
from ..timelines.detect_diary import moment


class GatedChannel(FakeChannel):
    """Answers when the gate is opened; messages to `slow` names only when told."""

    barrier: asyncio.Event
    slow: Sequence[str] = ()
    under_way = 0
    most_under_way = 0

    async def send_template(self, message: TemplateMessage) -> Outcome:
        self.sent.append(message)
        number = len(self.sent)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        if not self.slow or message.params[0] in self.slow:
            await self.barrier.wait()
        self.under_way -= 1
        return Accepted(message_id=f"wamid.{number}")


def gated(diary: Diary, **sizes: Any) -> tuple[Sender[TemplateMessage], GatedChannel]:
    channel = GatedChannel(diary.clock)
    channel.barrier = asyncio.Event()
    sender = Sender(diary.claims, diary.answers, channel=channel, clock=diary.clock, metrics=diary.metrics, **sizes)
    return sender, channel


def quiet_people(diary: Diary, count: int) -> list[str]:
    names = [f"user {n}" for n in range(count)]
    for name in names:
        diary.knows(name, name=name).due(name)
    return names


async def until(seen: Any) -> None:
    async with asyncio.timeout(10):
        while not seen():
            await asyncio.sleep(0.01)


def test_told_to_stop_it_claims_nothing_more_and_waits_for_what_is_in_flight(diary: Diary) -> None:
    quiet_people(diary, 3)

    async def story() -> None:
        sender, channel = gated(diary, batch=2)
        stop = asyncio.Event()
        running = asyncio.create_task(sender.run(stop))
        await until(lambda: len(channel.sent) == 3)
        stop.set()
        diary.knows("late").due("late")
        await asyncio.sleep(0.2)
        assert not running.done()
        assert diary.metrics.sends_in_flight._value.get() == 3
        channel.barrier.set()
        await running
        assert len(channel.sent) == 3

    asyncio.run(story())
    diary.publishes().says("user 0 accepted", "user 1 accepted", "user 2 accepted")
    assert diary.metrics.sends_in_flight._value.get() == 0


def test_a_slow_answer_holds_up_nobody_else(diary: Diary) -> None:
    names = quiet_people(diary, 20)

    async def story() -> None:
        sender, channel = gated(diary, batch=4)
        channel.slow = names[:3]
        stop = asyncio.Event()
        running = asyncio.create_task(sender.run(stop))
        await until(lambda: len(channel.sent) == 20)
        await until(lambda: len(diary.publishes().topic) == 17)
        stop.set()
        channel.barrier.set()
        await running

    asyncio.run(story())
    assert len(diary.publishes().topic) == 20


def test_no_more_requests_are_out_than_there_is_room_for(diary: Diary) -> None:
    quiet_people(diary, 12)

    async def story() -> GatedChannel:
        sender, channel = gated(diary, batch=4, in_flight=5)
        stop = asyncio.Event()
        running = asyncio.create_task(sender.run(stop))
        await until(lambda: channel.under_way == 5)
        await asyncio.sleep(0.1)
        channel.barrier.set()
        await until(lambda: len(channel.sent) == 12)
        stop.set()
        await running
        return channel

    assert asyncio.run(story()).most_under_way == 5


@pytest.fixture
def paced(ledger_url: str, tmp_path: Path) -> Iterator[Diary]:
    diary = Diary(tmp_path, url=ledger_url, rate=40)
    yield diary
    diary.close()


def test_no_more_leave_than_the_pace_allows_and_nothing_waits_after_its_claim(paced: Diary) -> None:
    diary = paced
    quiet_people(diary, 30)
    sender = diary.sender
    assert asyncio.run(sender.step()) == 10
    assert asyncio.run(sender.step()) == 0
    assert {row.status for row in diary.rows()} == {"accepted", "planned"}
    diary.after(SECOND // 10)
    assert asyncio.run(sender.step()) == 4


def test_what_is_decided_without_a_message_costs_no_pace(paced: Diary) -> None:
    diary = paced
    for n in range(30):
        diary.knows(f"user {n}", opt_in=False).due(f"user {n}")
    assert [asyncio.run(diary.sender.step()) for _ in range(4)] == [10, 10, 10, 0]


class ForgetfulAnswers(ResultRecorder):
    """A ledger that is busy the first few times."""

    failures = 0

    def record(self, answers: Sequence[AttemptResult]) -> None:
        if self.failures:
            self.failures -= 1
            raise OperationalError("UPDATE reminders", {}, Exception("database is locked"))
        super().record(answers)


@pytest.mark.parametrize(("failures", "becomes"), [(2, "accepted"), (6, "unknown")])
def test_an_answer_that_cannot_be_recorded_is_tried_again_and_is_unknown_in_the_end(
    diary: Diary, failures: int, becomes: str
) -> None:
    diary.knows("maria").due("maria")
    answers = ForgetfulAnswers(
        diary.ledger, rules=diary.rules, max_attempts=3, metrics=diary.metrics, now=diary.clock.now
    )
    answers.failures = failures
    shared: Any = {"channel": diary.channel, "clock": diary.clock, "metrics": diary.metrics}
    sender = Sender(diary.claims, answers, record_again_after=0.001, **shared)
    asyncio.run(sender.step())
    diary.after(LEASE).works()
    assert [status.status for status in diary.topic] == [becomes]
    diary.went_out("Maria")


def test_what_an_attempt_was_and_what_became_of_it_is_kept(diary: Diary) -> None:
    diary.knows("maria").due("maria").works()
    with diary.ledger.reading() as connection:
        (attempt,) = connection.exec_driver_sql("SELECT * FROM attempts").mappings().all()
    assert (attempt["number"], attempt["outcome"], attempt["message_id"]) == (1, "accepted", "wamid.1")
    assert attempt["started_at"] == attempt["finished_at"] == moment("Mon 09:00")
    assert diary.metrics.sends.labels("accepted", "")._value.get() == 1


KILLED = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.timelines.deliver_diary import Diary, FakeChannel

class Hangs(FakeChannel):
    async def send_template(self, message):
        with open(sys.argv[1] + "/sent", "a") as sent:
            sent.write(message.params[0] + "\\n")
        if len(self.sent) < 3:
            return await FakeChannel.send_template(self, message)
        print("in flight", flush=True)
        await asyncio.sleep(3600)

diary = Diary(Path(sys.argv[1]))
diary.channel.__class__ = Hangs
for n in range(6):
    diary.knows(f"user {n}", name=f"user {n}").due(f"user {n}")
diary.works()
"""


def test_a_process_killed_by_the_system_leaves_unknowns_and_no_second_message(tmp_path: Path) -> None:
    """Six messages leave at once; three are answered, and the process is killed while three are not."""
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parents[2])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline() == "in flight\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    restarted = Diary(tmp_path)
    restarted.after(LEASE).detect_is_at().works()
    lives = {row.user_id: row.status for row in restarted.rows()}
    restarted.close()
    assert restarted.channel.sent == []
    assert sorted((tmp_path / "sent").read_text().split("\n")) == ["", *(f"user {n}" for n in range(6))]
    assert set(lives.values()) <= {"accepted", "unknown"}
    assert list(lives.values()).count("unknown") >= 3
