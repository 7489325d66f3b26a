"""`lapse try`: tells each step of one invented client on the way to a real phone."""

import asyncio
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import typer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from consumer import log
from consumer.activity.errors import BadRecord
from consumer.clock import SECOND
from consumer.commands import kafka_probe
from consumer.commands.check import onemsg
from consumer.commands.onemsg_channel import onemsg_section, open_client
from consumer.commands.send import has_opted_out, journal_test_send
from consumer.commands.terminal.exit_codes import DONE, FAILED, CommandFailed
from consumer.commands.terminal.output import CheckResult, print_line, print_result
from consumer.commands.topic_sample import TopicSampler
from consumer.commands.try_out import cleanup
from consumer.commands.try_out.trial_settings import PROCESS, Trial, trial_of
from consumer.config.errors import ConfigError
from consumer.config.loader import load
from consumer.config.settings import Settings
from consumer.config.types import Role, format_duration
from consumer.deliver.lifecycle import Status
from consumer.deliver.policy.checks import MENDED_BY_CONTACT
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import Publisher
from consumer.onemsg.phone import PhoneProblem, normalize_phone
from consumer.reasons.catalogue import explain
from consumer.records import ActivityKind, Contact, DeliveryStatus, Reminder, ReminderKind, UserActivity
from consumer.wiring.shared import Shared

_BROKER_TIMEOUT_S = 5
_QUIET = timedelta(seconds=5)
_ENDS_WELL = {Status.DELIVERED, Status.READ}


@dataclass(frozen=True, slots=True)
class Client:
    """Who gets the message, as written on the command line."""

    phone: str = field(repr=False)
    name: str = field(repr=False)
    locale: str | None


def main(config: Path, client: Client, *, process: str | None, timeout_s: float) -> int:
    """Send one message through a service of its own, and tell each step; return the exit status.

    Raises:
        ConfigError: the settings are not right, or there is no channel.
        typer.BadParameter: the phone number cannot be one, or there is no such process.
        CommandFailed: the person has opted out, or something on the way does not work.
    """
    settings = load(config)
    log.configure_for_command()
    onemsg_section(settings)
    phone = normalize_phone(client.phone, settings.policy.default_region)
    if isinstance(phone, PhoneProblem):
        raise typer.BadParameter(phone.error, param_hint="--phone")
    if has_opted_out(settings, phone.digits):
        raise CommandFailed("this person has opted out: nothing was sent")
    if settings.policy.dry_run:
        raise ConfigError(["policy.dry_run: is on, so nothing would be sent"])
    chosen = process or next(iter(settings.processes))
    if chosen not in settings.processes:
        raise typer.BadParameter(f"there are: {', '.join(settings.processes)}", param_hint="--process")
    admin, _ = kafka_probe.connect(settings.kafka, _BROKER_TIMEOUT_S)
    channel = asyncio.run(_channel(settings, chosen))
    for line in channel:
        print_result(line)
    if not all(line.ok for line in channel):
        return FAILED
    template = settings.processes[chosen].template.name or onemsg_section(settings).template.name
    journal_test_send(settings, template, phone.digits)
    name = f"{settings.kafka.group_prefix}-try-{uuid.uuid4().hex[:8]}"
    folder = Path(tempfile.mkdtemp(prefix="lapse-try-"))
    trial = trial_of(settings, chosen, name, folder, quiet=_QUIET)
    try:
        with _working(admin, trial) as shared:
            return _tell(shared, trial, client, phone.digits, timeout_s)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        left = cleanup.remove(admin, trial)
        print_result(CheckResult(not left, "cleaned up" if not left else f"could not remove {', '.join(left)}"))


async def _channel(settings: Settings, process: str) -> list[CheckResult]:
    section = onemsg_section(settings)
    async with open_client(section) as channel:
        lines = await onemsg.check_connection(channel)
        if not all(line.ok for line in lines):
            return lines
        required = onemsg.required_templates(section, {process: settings.processes[process]})
        return [*lines, *await onemsg.check_templates(channel, required)]


@contextmanager
def _working(admin: AdminClient, trial: Trial) -> Iterator[Shared]:
    """Run the trial's service, both roles, until the block is left."""
    from consumer import app  # imported late: it loads everything

    topic = NewTopic(trial.settings.source.topic, 1, trial.settings.topics.replication)
    admin.create_topics([topic])[topic.topic].result(30)
    stop, ready = threading.Event(), threading.Event()
    roles = frozenset[Role]({"detect", "deliver"})

    def serve() -> int:
        return app.run(trial.settings, roles, stop=stop, on_ready=lambda url: ready.set(), signals=False)

    with ExitStack() as stack:
        service: Future[int] = stack.enter_context(ThreadPoolExecutor(1, "service")).submit(serve)
        stack.callback(stop.set)
        while not ready.wait(0.1):
            if service.done():
                service.result()
                raise CommandFailed("the service ended at once: its log says why")
        print_result(CheckResult(True, f"a service of its own runs, with topics {trial.name}-…"))
        yield Shared(trial.settings)


def _tell(shared: Shared, trial: Trial, client: Client, digits: str, timeout_s: float) -> int:
    """Write contact and activity, and tell what becomes of them; return the exit status."""
    topics, sampler = trial.settings.topics, TopicSampler(shared.admin, trial.settings.kafka, shared.clock, trial.name)
    _publish(shared, trial, client, digits)
    print_result(CheckResult(True, f"written: a contact with the number …{digits[-3:]}, and one activity"))
    print_line(f"  waiting {format_duration(_QUIET)} without activity, and detect.allowed_lateness …")
    deadline = shared.clock.monotonic() + timeout_s * SECOND
    last: DeliveryStatus | None = None
    followed = {(topic, 0): 0 for topic in (topics.reminders, topics.delivery_status)}
    for message in sampler.follow(followed):
        if message is not None and message.topic() == topics.reminders:
            reminder = shared.codec.decode(Reminder, message.value())
            if reminder.kind is ReminderKind.DUE:
                late = (reminder.detected_at - (reminder.lapsed_at or 0)) / SECOND
                print_result(CheckResult(True, f"detect noticed the lapse after {late:.1f} s and asked for a reminder"))
        elif message is not None:
            last = _told(shared, message.value()) or last
        if last is not None and (last.final or _waits_in_vain(last)):
            return DONE if last.status in _ENDS_WELL else FAILED
        if shared.clock.monotonic() > deadline:
            said = f"the last status is {last.status}" if last else "nothing has come of it"
            print_result(CheckResult(False, f"after {timeout_s:g} s {said}", "was the phone on? see `lapse check`"))
            return FAILED
    return FAILED


def _publish(shared: Shared, trial: Trial, client: Client, digits: str) -> None:
    now, s, key = shared.clock.now(), trial.settings, trial.user.encode()
    contact = Contact(
        user_id=trial.user, name=client.name, phone=f"+{digits}", locale=client.locale, opt_in=True, updated_at=now
    )
    activity = UserActivity(
        event_id=str(uuid.uuid4()), user_id=trial.user, process=PROCESS, kind=ActivityKind.STARTED, occurred_at=now
    )
    records = ((s.topics.contacts, contact), (s.source.topic, activity))
    publisher = Publisher(s.kafka, shared.clock, name="try")
    publisher.publish([Output(topic, 0, key, shared.codec.encode(record, topic)) for topic, record in records])
    publisher.close()


def _told(shared: Shared, value: bytes | None) -> DeliveryStatus | None:
    """Print a status; return it, None if the value is none."""
    try:
        record = shared.codec.decode(DeliveryStatus, value or b"")
    except BadRecord:
        return None
    meaning, advice = explain(record.status, record.reason)
    why = " ".join(filter(None, [record.reason and f"{record.reason}:", meaning, advice]))
    template = f" with {record.template} ({record.language})" if record.template and record.status == "accepted" else ""
    bad = record.status in ("failed", "suppressed", "cancelled", "rejected", "unknown", "unresolved")
    good = not bad and not _waits_in_vain(record)
    print_result(CheckResult(good, f"{record.status}{template}", why))
    return record


def _waits_in_vain(status: DeliveryStatus) -> bool:
    """Return whether it waits for a better contact, which nobody writes during a trial."""
    return status.status == "deferred" and status.reason in MENDED_BY_CONTACT and status.reason != "no_contact"
