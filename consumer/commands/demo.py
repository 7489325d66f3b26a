"""`lapse demo`: the whole service at work on one machine, with a broker, a 1MSG and a public of its own."""

import logging
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from types import FrameType
from typing import Any

from rich.console import Console

from consumer import app, log
from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SECOND, Clock, Millis, SystemClock
from consumer.commands.terminal.exit_codes import Failed
from consumer.config.settings import Settings
from consumer.demo.background import Task, under_way
from consumer.demo.broker import BrokerFailed, embedded_broker
from consumer.demo.inbox import Inbox, SandboxSilent
from consumer.demo.people import people
from consumer.demo.screen import say, screen
from consumer.demo.settings import SOURCE, TOPICS, settings_for
from consumer.demo.stage import Opened, Stage
from consumer.demo.summary import summary
from consumer.demo.traffic import Traffic, TrafficFailed
from consumer.demo.verdict import complaints
from consumer.demo.watch import Watch
from consumer.sandbox import server as sandbox
from consumer.sandbox.app import Setup
from consumer.sandbox.fates import Habits
from consumer.sandbox.state import Settings as ChannelSettings

_LOG = "lapse.log"
_PEOPLE = 300
_SEED = 41
_REFRESH_SECONDS = 0.25
_SETTLING: Millis = 3 * SECOND
"""How long statuses may still come in after the last activity."""
_DRAINING: Millis = 2 * SECOND
"""How long the topic may still be read after the service has ended."""
_CHANNEL = Setup(
    # Phones answer fast here, yet slowly enough that a message can be seen on its way.
    habits=Habits(delays=(200, 2_500), read=0.7, failed=0.03),
    settings=ChannelSettings(acks=True, echo=True),
)


def main(seconds: int | None) -> int:
    """Plays for so many seconds, or until Ctrl-C, and says what happened; 0 if it showed all that it should.

    Raises:
        Failed: the scenery did not hold: broker, 1MSG or traffic. What the service raises is passed on as it is.
    """
    console, folder = Console(), Path(mkdtemp(prefix="lapse-demo-"))
    shown = False
    try:
        with _told_to_end() as end, _stage(folder) as (stage, service, traffic):
            _play(console, stage, (service, traffic), end, seconds)
            shown = _finish(console, stage, service, traffic)
    except (BrokerFailed, sandbox.CouldNotStart, SandboxSilent, TrafficFailed) as problem:
        raise Failed(f"the demo could not go on: {problem}") from problem
    finally:
        if shown:
            shutil.rmtree(folder)
        else:
            say(console, f"The service's log is kept in {folder / _LOG}")
    return 0 if shown else 1


def _play(
    console: Console, stage: Stage, tasks: Sequence[Task[Any]], end: threading.Event, seconds: int | None
) -> None:
    """Shows what happens until it is time to end, or until somebody cannot go on."""
    last = float("inf") if seconds is None else seconds * SECOND
    say(console, f"Ends {f'after {seconds} s' if seconds else 'with Ctrl-C'}; log in {stage.log_file}")
    with screen(console) as show:
        while stage.elapsed() < last and not any(task.broke_off for task in tasks):
            show(stage.snapshot())
            if end.wait(_REFRESH_SECONDS):
                break


def _finish(console: Console, stage: Stage, service: Task[int], traffic: Task[None]) -> bool:
    """Ends everything in order, sums up, and says whether the demo showed what it should."""
    broke_off = service.broke_off
    traffic.end()
    if not broke_off:
        stage.settle(_SETTLING)
    status = service.end()
    stage.drain(_DRAINING)
    seen = stage.evidence()
    problems = [*complaints(seen)]
    if broke_off or status != 0:
        problems.append(f"the service ended{' by itself' if broke_off else ''} with status {status}")
    say(console, "")
    say(console, summary(seen, stage.people, stage.traffic.activities, stage.first_message(), problems))
    return not problems


@contextmanager
def _stage(folder: Path) -> Iterator[tuple[Stage, Task[int], Task[None]]]:
    """Everything at work: the broker and 1MSG first, then whoever needs them. They leave in the opposite order."""
    clock = SystemClock()
    opened = Opened(clock.monotonic(), clock.now())
    with ExitStack() as stack:
        broker = stack.enter_context(embedded_broker(_topics()))
        channel = stack.enter_context(sandbox.running(_CHANNEL))
        settings = settings_for(broker, channel, folder, _free_port())
        stack.enter_context(_logging_into(folder / _LOG, settings))
        stage = _seats(stack, clock, opened, broker, channel.base_url, folder)
        stack.enter_context(under_way("demo-watch", stage.watch.run))
        traffic = stack.enter_context(under_way("demo-traffic", stage.traffic.run))
        service = stack.enter_context(under_way("demo-service", _service(settings, stage)))
        yield stage, service, traffic


def _seats(stack: ExitStack, clock: Clock, opened: Opened, broker: str, sandbox_url: str, folder: Path) -> Stage:
    codec, crowd = RecordCodec(WriterSchemas(clock)), people(_PEOPLE, _SEED, clock.now())
    return Stage(
        clock=clock,
        opened=opened,
        people=len(crowd),
        traffic=Traffic(
            broker, codec, clock, crowd, seed=_SEED, activity_topic=SOURCE.topic, contacts_topic=TOPICS.contacts
        ),
        watch=Watch(broker, TOPICS.delivery_status, codec),
        inbox=stack.enter_context(closing(Inbox(sandbox_url))),
        sandbox_url=sandbox_url,
        log_file=str(folder / _LOG),
    )


def _service(settings: Settings, stage: Stage) -> Callable[[threading.Event], int]:
    """Lapse itself, both roles, as `lapse run` runs it."""
    return lambda stop: app.run(
        settings, frozenset({"detect", "deliver"}), stop=stop, on_ready=stage.web.append, signals=False
    )


def _topics() -> tuple[str, ...]:
    told = (TOPICS.contacts, TOPICS.reminders, TOPICS.delivery_status, TOPICS.opt_outs, TOPICS.dead_letters)
    return (SOURCE.topic, *told, *([TOPICS.state] if TOPICS.state else []))


def _free_port() -> int:
    """A port of this machine that is free now: the webhook's address must be known before the service listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def _logging_into(file: Path, settings: Settings) -> Iterator[None]:
    """The whole process's log goes to a file: on the terminal it would tear the picture apart."""
    root = logging.getLogger()
    before = root.handlers[:]
    secret = settings.web.webhook_secret
    secrets = [secret.value] if secret and secret.value else []
    with file.open("w", encoding="utf-8") as stream:
        log.configure(settings.log, secrets, stream)
        try:
            yield
        finally:
            root.handlers[:] = before


@contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """Set by the first Ctrl-C (or SIGTERM); the second one interrupts as it always does."""
    end = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def told(number: int, frame: FrameType | None) -> None:
        end.set()
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, told)
    try:
        yield end
    finally:
        restore()
