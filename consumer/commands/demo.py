"""`lapse demo`: the whole service on one machine, with a broker, a stand-in for 1MSG and invented people."""

import logging
import shutil
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

import httpx
from rich.console import Console

from consumer import app, log
from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SECOND, Millis, SystemClock
from consumer.commands.terminal.exit_codes import CommandFailed
from consumer.config.settings import Settings
from consumer.config.types import Role
from consumer.demo.activity_producer import ActivityProducer
from consumer.demo.broker import BrokerFailed, embedded_broker
from consumer.demo.people import agreed_numbers, people
from consumer.demo.settings import TOPICS, settings_for
from consumer.demo.status_reader import StatusReader
from consumer.demo.verdict import Evidence, complaints
from consumer.demo.view import Snapshot, say, screen, summary
from consumer.kafka.clients.publisher import Publisher, PublishFailed
from consumer.sandbox import server as sandbox
from consumer.sandbox.app import Setup
from consumer.sandbox.channel_state import ChannelSettings
from consumer.sandbox.faults.fates import Habits

T = TypeVar("T")

_PEOPLE = 300
_SEED = 41
_MESSAGES_SHOWN = 5
_REFRESH_INTERVAL_S = 0.25
_REQUEST_TIMEOUT_S = 5
_SETTLE_TIME_MS: Millis = 3 * SECOND  # from the last activity to the end of the service: the last statuses arrive
_LAST_STATUS_TIMEOUT_S = 0.5  # once the service has ended: silence for so long means that nothing more will come
_SERVICE_END_TIMEOUT_S = 10  # from the moment at which the service's web pages are gone until it has ended
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
    except (BrokerFailed, sandbox.CouldNotStart, PublishFailed) as problem:
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
        self._clock = clock = SystemClock()
        self._started, self._started_monotonic = clock.now(), clock.monotonic()
        broker = stack.enter_context(embedded_broker(TOPICS))
        channel = stack.enter_context(sandbox.running(_CHANNEL))
        port, codec = _free_port(), RecordCodec(WriterSchemas(clock))
        self.console_url, self.messages_url = f"http://127.0.0.1:{port}", f"{channel.base_url}/_sandbox/messages"
        settings = settings_for(broker, channel, folder, port)
        _log_into(log_file, settings, stack)
        self._crowd = people(_PEOPLE, _SEED, self._started)
        self._http = stack.enter_context(httpx.Client(timeout=_REQUEST_TIMEOUT_S))
        self._reader = stack.enter_context(closing(StatusReader(broker, settings.topics.delivery_status, codec)))
        publisher = stack.enter_context(closing(Publisher(settings.kafka, clock, name="demo")))
        self._producer = ActivityProducer(publisher, settings, codec, clock, self._crowd, _SEED)
        self._stop_producing, self._producing = _start(stack, self._producer.run)
        self._ready = threading.Event()

        def serve(stop: threading.Event) -> int:
            roles = frozenset[Role]({"detect", "deliver"})
            return app.run(settings, roles, stop=stop, on_ready=lambda url: self._ready.set(), signals=False)

        self._stop_service, self._service = _start(stack, serve)

    def show(self, console: Console, end: threading.Event, seconds: int | None) -> None:
        """Show what happens until it is time to end, or `end` is set, or a part has ended by itself."""
        last = float("inf") if seconds is None else seconds * SECOND
        with screen(console, f"Lapse: {self.console_url}/") as show:
            while self._elapsed() < last and not self._service.done() and not self._producing.done():
                self._reader.poll(0)
                show(self._look())
                if end.wait(_REFRESH_INTERVAL_S):
                    break

    def finish(self, console: Console) -> bool:
        """End everything in order, sum up, and return whether the demo showed what it should."""
        self._stop_producing.set()
        self._producing.result()
        deadline = self._elapsed() + _SETTLE_TIME_MS
        while self._elapsed() < deadline and not self._service.done():
            self._reader.poll(0.1)
        last = self._look()
        by_itself = self._service.done()
        self._stop_service.set()
        status = self._service.result()
        while self._reader.poll(_LAST_STATUS_TIMEOUT_S):
            continue
        seen = Evidence(self._reader.read, self._json(self.messages_url), agreed_numbers(self._crowd))
        last = replace(last, sent=len(seen.read.message_ids), taken=seen.taken)
        problems, messages = complaints(seen), seen.taken["messages"]
        if by_itself or status != 0:
            problems.append(f"the service ended{' by itself' if by_itself else ''} with status {status}")
        first = messages[0]["time"] - self._started if messages else None
        say(console, "\n" + summary(last, seen, first, problems))
        return not problems

    def _elapsed(self) -> Millis:
        return self._clock.monotonic() - self._started_monotonic

    def _look(self) -> Snapshot:
        """Return what the console and the sandbox know at this moment."""
        rows = []
        if self._ready.is_set() and not self._service.done():
            try:
                rows = self._json(f"{self.console_url}/api/funnel")["statuses"]
            except CommandFailed:
                if not wait([self._service], _SERVICE_END_TIMEOUT_S).done:
                    raise
        reminders = {(row["status"], row["reason"]): row["count"] for row in rows}
        taken = self._json(f"{self.messages_url}?limit={_MESSAGES_SHOWN}")
        sent, activities = len(self._reader.read.message_ids), self._producer.activities
        return Snapshot(self._elapsed(), len(self._crowd), activities, reminders, sent, taken)

    def _json(self, url: str) -> Any:
        try:
            return self._http.get(url).raise_for_status().json()
        except httpx.HTTPError as problem:
            raise CommandFailed(f"the demo could not go on: no answer from {url}: {type(problem).__name__}") from None


def _start(stack: ExitStack, work: Callable[[threading.Event], T]) -> tuple[threading.Event, "Future[T]"]:
    """Run `work` in a thread until the event is set; leaving the stack sets it and waits for the end."""
    stop, pool = threading.Event(), stack.enter_context(ThreadPoolExecutor(1))
    stack.callback(stop.set)
    return stop, pool.submit(work, stop)


def _free_port() -> int:
    """Return a port of this machine that is free: the webhook's address must be known before the service listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _log_into(file: Path, settings: Settings, stack: ExitStack) -> None:
    """Write the log of the whole process to a file: on the terminal it would break the picture."""
    root, secret = logging.getLogger(), settings.web.webhook_secret
    stream = stack.enter_context(file.open("w", encoding="utf-8"))
    stack.callback(setattr, root, "handlers", root.handlers[:])
    log.configure(settings.log, [secret.value] if secret and secret.value else [], stream)


def end_on_signal(stack: ExitStack) -> threading.Event:
    """Return an event that the first Ctrl-C (or SIGTERM) sets; the second one interrupts as usual."""
    end = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, frame: object) -> None:
        end.set()
        signal.signal(number, before[signal.Signals(number)])

    for number, handler in before.items():
        signal.signal(number, on_signal)
        stack.callback(signal.signal, number, handler)
    return end
