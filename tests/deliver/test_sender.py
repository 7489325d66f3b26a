"""The sender with many messages at once: rate, limits, slow answers, failures to record, and its end."""

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
from consumer.deliver.sending.results import AttemptResult
from consumer.deliver.sending.sender import Sender
from consumer.onemsg.message import TemplateMessage
from consumer.onemsg.outcomes import Accepted, Outcome
from consumer.testing import LEASE, FakeOneMsg

from ..timelines.deliver_diary import Diary
from ..timelines.detect_diary import moment


class GatedOneMsg(FakeOneMsg):
    """Answers once `gate` is set; with `slow` names, only their messages wait for it."""

    gate: asyncio.Event
    slow: Sequence[str] = ()
    in_flight = 0
    max_in_flight = 0

    async def send_template(self, message: TemplateMessage) -> Outcome:
        self.sent.append(message)
        number = len(self.sent)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        if not self.slow or message.params[0] in self.slow:
            await self.gate.wait()
        self.in_flight -= 1
        return Accepted(message_id=f"wamid.{number}")


def gated(diary: Diary, **sizes: Any) -> tuple[Sender[TemplateMessage], GatedOneMsg]:
    client = GatedOneMsg(diary.clock)
    client.gate = asyncio.Event()
    return Sender(
        diary.parts.claims,
        diary.parts.recorder.record,
        client=client,
        clock=diary.clock,
        metrics=diary.metrics,
        **sizes,
    ), client


def quiet_people(diary: Diary, count: int) -> list[str]:
    names = [f"user {n}" for n in range(count)]
    for name in names:
        diary.knows(name, name=name).due(name)
    return names


async def until(seen: Any) -> None:
    async with asyncio.timeout(10):
        while not seen():
            await asyncio.sleep(0.01)


def test_stop_waits_for_requests_in_flight(diary: Diary) -> None:
    quiet_people(diary, 3)

    async def story() -> None:
        sender, client = gated(diary, batch=2)
        stop = asyncio.Event()
        running = asyncio.create_task(sender.run(stop))
        await until(lambda: len(client.sent) == 3)
        stop.set()
        diary.knows("late").due("late")
        await asyncio.sleep(0.2)
        assert not running.done()
        assert diary.metrics.sends_in_flight._value.get() == 3
        client.gate.set()
        await running
        assert len(client.sent) == 3

    asyncio.run(story())
    diary.publishes().says("user 0 accepted", "user 1 accepted", "user 2 accepted")
    assert diary.metrics.sends_in_flight._value.get() == 0


def test_slow_answer_does_not_delay_others(diary: Diary) -> None:
    names = quiet_people(diary, 20)

    async def story() -> None:
        sender, client = gated(diary, batch=4)
        client.slow = names[:3]
        stop = asyncio.Event()
        running = asyncio.create_task(sender.run(stop))
        await until(lambda: len(client.sent) == 20)
        await until(lambda: len(diary.publishes().topic) == 17)
        stop.set()
        client.gate.set()
        await running

    asyncio.run(story())
    assert len(diary.publishes().topic) == 20


def test_in_flight_limit(diary: Diary) -> None:
    quiet_people(diary, 12)

    async def story() -> GatedOneMsg:
        sender, client = gated(diary, batch=4, in_flight=5)
        stop = asyncio.Event()
        running = asyncio.create_task(sender.run(stop))
        await until(lambda: client.in_flight == 5)
        await asyncio.sleep(0.1)
        client.gate.set()
        await until(lambda: len(client.sent) == 12)
        stop.set()
        await running
        return client

    assert asyncio.run(story()).max_in_flight == 5


@pytest.fixture
def paced(ledger_url: str, tmp_path: Path) -> Iterator[Diary]:
    diary = Diary(tmp_path, url=ledger_url, rate=40)
    yield diary
    diary.close()


def test_rate_limits_the_claim(paced: Diary) -> None:
    diary = paced
    quiet_people(diary, 30)
    sender = diary.parts.sender
    assert asyncio.run(sender.step()) == 10
    assert asyncio.run(sender.step()) == 0
    assert {row.status for row in diary.rows()} == {"accepted", "planned"}
    diary.after(SECOND // 10)
    assert asyncio.run(sender.step()) == 4


def test_suppressed_reminders_spend_no_tokens(paced: Diary) -> None:
    diary = paced
    for n in range(30):
        diary.knows(f"user {n}", opt_in=False).due(f"user {n}")
    assert [asyncio.run(diary.parts.sender.step()) for _ in range(4)] == [10, 10, 10, 0]


@pytest.mark.parametrize(("failures", "becomes"), [(2, "accepted"), (6, "unknown")])
def test_result_that_cannot_be_recorded_is_retried(diary: Diary, failures: int, becomes: str) -> None:
    diary.knows("maria").due("maria")
    failures_left = iter(range(failures))

    def record(results: Sequence[AttemptResult]) -> None:
        if next(failures_left, None) is not None:
            raise OperationalError("UPDATE reminders", {}, Exception("database is locked"))
        diary.parts.recorder.record(results)

    shared: Any = {"client": diary.onemsg, "clock": diary.clock, "metrics": diary.metrics}
    sender = Sender(diary.parts.claims, record, record_backoff_ms=1, **shared)
    asyncio.run(sender.step())
    diary.after(LEASE).works()
    assert [status.status for status in diary.topic] == [becomes]
    diary.went_out("Maria")


def test_attempt_row_after_acceptance(diary: Diary) -> None:
    diary.knows("maria").due("maria").works()
    with diary.ledger.reading() as connection:
        (attempt,) = connection.exec_driver_sql("SELECT * FROM attempts").mappings().all()
    assert (attempt["number"], attempt["outcome"], attempt["message_id"]) == (1, "accepted", "wamid.1")
    assert attempt["started_at"] == attempt["finished_at"] == moment("Mon 09:00")
    assert diary.metrics.sends.labels("account-setup", "accepted", "")._value.get() == 1


KILLED = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from consumer.testing import FakeOneMsg
from tests.timelines.deliver_diary import Diary

class Hangs(FakeOneMsg):
    async def send_template(self, message):
        with open(sys.argv[1] + "/sent", "a") as sent:
            sent.write(message.params[0] + "\\n")
        if len(self.sent) < 3:
            return await FakeOneMsg.send_template(self, message)
        print("in flight", flush=True)
        await asyncio.sleep(3600)

diary = Diary(Path(sys.argv[1]))
diary.onemsg.__class__ = Hangs
for n in range(6):
    diary.knows(f"user {n}", name=f"user {n}").due(f"user {n}")
diary.works()
"""


@pytest.mark.slow
def test_sigkill_leaves_unknowns_and_no_second_message(tmp_path: Path) -> None:
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
    assert restarted.onemsg.sent == []
    assert sorted((tmp_path / "sent").read_text().split("\n")) == ["", *(f"user {n}" for n in range(6))]
    assert set(lives.values()) <= {"accepted", "unknown"}
    assert list(lives.values()).count("unknown") >= 3
