"""`lapse demo`: the whole service on one machine, with a broker, a stand-in for 1MSG and invented people."""

import logging
import shutil
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
from rich.console import Console

from consumer import app, log
from consumer.activity.errors import BadRecord
from consumer.clock import SECOND, Millis, SystemClock
from consumer.commands.run import required_secrets
from consumer.commands.terminal.exit_codes import CommandFailed
from consumer.commands.topic_sample import TopicSampler
from consumer.config.settings import Settings
from consumer.config.types import Role
from consumer.demo.activity_producer import ActivityProducer
from consumer.demo.broker import BrokerFailed, embedded_broker
from consumer.demo.people import agreed_numbers, people
from consumer.demo.settings import TOPICS, settings_for
from consumer.demo.verdict import Evidence, complaints
from consumer.demo.view import Snapshot, say, screen, summary
from consumer.kafka.clients.publisher import Publisher, PublishFailed
from consumer.records import DeliveryStatus
from consumer.sandbox import server as sandbox
from consumer.sandbox.app import Setup
from consumer.sandbox.channel_state import ChannelSettings
from consumer.sandbox.faults.fates import Habits
from consumer.wiring.shared import Shared

_PEOPLE = 300
_SEED = 41
_MESSAGES_SHOWN = 5
_REFRESH_INTERVAL_S, _LINE_INTERVAL_S = 0.25, 2.0
_REQUEST_TIMEOUT_S = 5
_SETTLE_TIME_S = 3  # from the last activity to the end of the service: the last statuses arrive
_MAX_RECORDS, _MAX_BYTES = 1_000_000, 64 * 1024 * 1024  # of delivery-status: more than the broker keeps
_CHANNEL = Setup(
    # Phones answer fast here, yet slowly enough that a message can be seen on its way.
    habits=Habits(delays=(200, 2_500), read=0.7, failed=0.03),
    settings=ChannelSettings(acks=True, echo=True),
)


def main(seconds: int | None) -> int:
    """Run for that long, or until Ctrl-C, and sum up; return 0 if the demo showed what it should.

    Raises:
        CommandFailed: a part around the service failed. What the service itself raises is passed on as it is.
    """
    console, folder = Console(), Path(mkdtemp(prefix="lapse-demo-"))
    log_file, well = folder / "lapse.log", False
    try:
        with ExitStack() as stack:
            end = end_on_signal(stack)
            demo = _Demo(stack, folder, log_file)
            say(console, f"console   {demo.console_url}/\nmessages  {demo.messages_url}\nlog       {log_file}")
            say(console, f"Ends {f'after {seconds} s' if seconds else 'with Ctrl-C'}.")
            demo.show(console, end, seconds)
            well = demo.finish(console)
    except (BrokerFailed, sandbox.CouldNotStart, PublishFailed, httpx.HTTPError) as problem:
        raise CommandFailed(f"the demo could not go on: {problem}") from problem
    finally:
        if well:
            shutil.rmtree(folder)
        else:
            say(console, f"The service's log is kept in {log_file}")
    return 0 if well else 1


class _Demo:
    """Everything at work, until `stack` is left. The service and the producer of activities have a thread each."""

    def __init__(self, stack: ExitStack, folder: Path, log_file: Path) -> None:
        clock = SystemClock()
        self._started, self._started_monotonic = clock.now(), clock.monotonic()
        broker = stack.enter_context(embedded_broker(TOPICS))
        channel = stack.enter_context(sandbox.running(_CHANNEL))
        with socket.create_server(("127.0.0.1", 0)) as listener:  # the webhook's address must be known beforehand
            port: int = listener.getsockname()[1]
        self.console_url, self.messages_url = f"http://127.0.0.1:{port}", f"{channel.base_url}/_sandbox/messages"
        settings = settings_for(broker, channel, folder, port)
        _log_into(log_file, settings, stack)
        self._shared = shared = Shared(settings, clock)
        self._crowd = people(_PEOPLE, _SEED, self._started)
        self._http = stack.enter_context(httpx.Client(timeout=_REQUEST_TIMEOUT_S))
        self._funnel: Any = {"steps": (), "statuses": ()}
        publisher = stack.enter_context(closing(Publisher(settings.kafka, clock, name="demo")))
        self._producer = ActivityProducer(publisher, settings, shared.codec, clock, self._crowd, _SEED)
        self._stop_producing, self._stop_service = threading.Event(), threading.Event()
        pool, roles = stack.enter_context(ThreadPoolExecutor(2)), frozenset[Role]({"detect", "deliver"})
        stack.callback(self._stop_producing.set)
        stack.callback(self._stop_service.set)
        self._producing = pool.submit(self._producer.run, self._stop_producing)
        self._service = pool.submit(app.run, settings, roles, stop=self._stop_service, signals=False)

    def show(self, console: Console, end: threading.Event, seconds: int | None) -> None:
        """Show what happens until it is time to end, or `end` is set, or a part has ended by itself."""
        last = float("inf") if seconds is None else seconds * SECOND
        interval_s = _REFRESH_INTERVAL_S if console.is_terminal else _LINE_INTERVAL_S
        with screen(console, f"Lapse: {self.console_url}/") as show:
            while (left := last - self._elapsed()) > 0 and not self._service.done() and not self._producing.done():
                show(self._look())
                if end.wait(min(interval_s, left / SECOND)):
                    break

    def finish(self, console: Console) -> bool:
        """End everything in order, sum up, and return whether the demo showed what it should."""
        self._stop_producing.set()
        self._producing.result()
        wait([self._service], _SETTLE_TIME_S)
        last, by_itself = self._look(), self._service.done()
        self._stop_service.set()
        status = self._service.result()
        seen = self._read_back()
        problems, messages = complaints(seen), seen.taken["messages"]
        if not last.funnel["statuses"]:
            problems.append(f"{self.console_url}/api/funnel counted no reminder")
        if by_itself or status != 0:
            problems.append(f"the service ended{' by itself' if by_itself else ''} with status {status}")
        first = messages[0]["time"] - self._started if messages else None
        say(console, "\n" + summary(replace(last, taken=seen.taken), seen, first, problems))
        return not problems

    def _elapsed(self) -> Millis:
        return self._shared.clock.monotonic() - self._started_monotonic

    def _look(self) -> Snapshot:
        """Return what the console and the sandbox know at this moment."""
        with suppress(httpx.HTTPError):  # before the service listens, and once it has ended
            self._funnel = self._json(f"{self.console_url}/api/funnel")
        taken = self._json(f"{self.messages_url}?limit={_MESSAGES_SHOWN}")
        return Snapshot(self._elapsed(), len(self._crowd), self._producer.activities, self._funnel, taken)

    def _read_back(self) -> Evidence:
        """Return what `delivery-status` says, read as any consumer would, and what 1MSG took."""
        shared, kafka = self._shared, self._shared.settings.kafka
        sampler = TopicSampler(shared.admin, kafka, shared.clock, "lapse-demo", committed=True)
        sample = sampler.newest(shared.settings.topics.delivery_status, _MAX_RECORDS, _MAX_BYTES)
        records, unreadable = [], 0
        for message in sample:
            try:
                records.append(shared.codec.decode(DeliveryStatus, message.value() or b""))
            except BadRecord:
                unreadable += 1
        # After some hours the broker has forgotten the first ones.
        complete_from = sample.oldest if any(span.start for span in sample.ranges.values()) else None
        taken = self._json(self.messages_url)
        return Evidence(records, taken, agreed_numbers(self._crowd), complete_from or 0, unreadable)

    def _json(self, url: str) -> Any:
        return self._http.get(url).raise_for_status().json()


def _log_into(file: Path, settings: Settings, stack: ExitStack) -> None:
    """Write the log of the whole process to a file: on the terminal it would break the picture."""
    root = logging.getLogger()
    stream = stack.enter_context(file.open("w", encoding="utf-8"))
    stack.callback(setattr, root, "handlers", root.handlers[:])
    log.configure(settings.log, required_secrets(settings, frozenset({"deliver"})), stream)


def end_on_signal(stack: ExitStack) -> threading.Event:
    """Return an event that the first Ctrl-C (or SIGTERM) sets; the second one interrupts as usual."""
    end = threading.Event()
    before = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, frame: object) -> None:
        end.set()
        signal.signal(number, before[number])

    for number, handler in before.items():
        signal.signal(number, on_signal)
        stack.callback(signal.signal, number, handler)
    return end
