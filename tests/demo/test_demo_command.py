"""`lapse demo` as a user starts it: everything real, in a process of its own. And with a part that breaks."""

import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from consumer.clock import SystemClock
from consumer.commands import demo
from consumer.commands.terminal.exit_codes import CommandFailed
from consumer.config.settings import Settings
from consumer.demo.activity_producer import ActivityProducer
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import NotAcknowledged, Publisher
from tests.app.service import eventually

COMMAND = [sys.executable, "-m", "consumer.cli", "demo"]


@pytest.mark.slow
def test_reminders_go_out_and_their_statuses_are_read_back(tmp_path: Path) -> None:
    with _started(tmp_path) as process:
        assert process.stdout is not None
        address = process.stdout.readline()
        console = re.fullmatch(r"console +(http://127\.0\.0\.1:\d+/)\n", address)
        assert console, address
        assert "Processes, last 24 hours" in eventually(lambda: _page(console[1]), 30, meaning="the console answers")
        eventually(lambda: _arrived(console[1]), 90, meaning="a message on a phone")
        quoted = next(line for line in process.stdout if re.search(r"\+\d+ ••• ••\d\d  \w+: (Hello|Good news), ", line))
        process.send_signal(signal.SIGINT)
        told, problems = process.communicate(timeout=90)
    assert process.returncode == 0, told + problems
    assert "none was sent twice" in told
    assert re.search(r"^ +[1-9]\d*  (sent|delivered|read)", told, re.MULTILINE), told
    assert not re.search(r"\+\d{6}", quoted + told), "no phone is shown whole"
    assert re.search(r"first message was taken [\d.]+ s after", told), told
    assert not list(tmp_path.iterdir()), "a demo that went well leaves nothing behind"


@pytest.mark.slow
def test_interrupted_too_early_it_says_what_was_missing_and_keeps_the_log(tmp_path: Path) -> None:
    with _started(tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        told, problems = process.communicate(timeout=60)
    assert process.returncode == 1, told + problems
    assert "  - no message was sent" in told
    [log] = tmp_path.glob("*/lapse.log")
    assert str(log) in told


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(demo, "mkdtemp", lambda prefix: str(tmp_path))
    return tmp_path


def test_a_service_that_ends_by_itself_is_a_failure(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("consumer.app.run", lambda *_, **options: 3)
    handler, threads = signal.getsignal(signal.SIGINT), threading.active_count()
    assert demo.main(60) == 1
    assert "  - the service ended by itself with status 3" in capsys.readouterr().out
    assert (own_folder / "lapse.log").exists()
    assert (signal.getsignal(signal.SIGINT), threading.active_count()) == (handler, threads), "nothing stays behind"


def test_a_service_whose_pages_do_not_answer_is_a_failure(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def deaf(*_: object, stop: threading.Event, **options: Any) -> int:
        stop.wait(30)
        return 0

    monkeypatch.setattr("consumer.app.run", deaf)
    monkeypatch.setattr(demo, "_SETTLE_TIME_S", 0.1)
    assert demo.main(1) == 1
    assert re.search(r"  - http://127\.0\.0\.1:\d+/api/funnel counted no reminder", capsys.readouterr().out)


@pytest.mark.slow
def test_records_that_are_no_statuses_are_a_failure(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def careless(settings: Settings, *_: object, stop: threading.Event, **options: Any) -> int:
        publisher = Publisher(settings.kafka, SystemClock(), name="careless")
        publisher.publish([Output(settings.topics.delivery_status, n % 2, b"u1", b"no record") for n in range(3)])
        publisher.close()
        stop.wait(30)
        return 0

    monkeypatch.setattr("consumer.app.run", careless)
    monkeypatch.setattr(demo, "_SETTLE_TIME_S", 0.1)
    assert demo.main(1) == 1
    assert "  - 3 records of delivery-status could not be read" in capsys.readouterr().out


def test_events_that_are_not_written_are_a_failure(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(producer: ActivityProducer, stop: threading.Event) -> None:
        raise NotAcknowledged("user-activity: not acknowledged in time")

    monkeypatch.setattr(ActivityProducer, "run", broken)
    started = time.monotonic()
    with pytest.raises(CommandFailed, match="the demo could not go on: user-activity: not acknowledged in time"):
        demo.main(60)
    assert time.monotonic() - started < 40, "it does not go on until the time is over"


def _started(temporary: Path, *arguments: str) -> "subprocess.Popen[str]":
    environment = {"PATH": "", "TMPDIR": str(temporary), "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def _arrived(url: str) -> bool:
    statuses = httpx.get(f"{url}api/funnel").raise_for_status().json()["statuses"]
    return any(each["status"] in {"delivered", "read"} for each in statuses)


def _page(url: str) -> str | None:
    try:
        return httpx.get(url).raise_for_status().text
    except httpx.ConnectError:
        return None
