"""`lapse status`: the records of `delivery-status`, decoded, for people or (with `--json`) for programs."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import phonenumbers
from confluent_kafka import KafkaException

from consumer import log
from consumer.activity.errors import BadRecord
from consumer.activity.record_codec import RecordCodec
from consumer.clock import Millis
from consumer.commands import kafka_probe
from consumer.commands.terminal.exit_codes import DONE, CommandFailed
from consumer.commands.terminal.output import print_line, to_json
from consumer.commands.terminal.time_arguments import format_iso_time
from consumer.commands.topic_sample import Sample, TopicSampler
from consumer.config.loader import load
from consumer.kafka.clients.error_codes import in_words
from consumer.records import DeliveryStatus
from consumer.wiring.shared import Shared

_BROKER_TIMEOUT_S = 5
_SEARCHED, _MAX_BYTES = 500_000, 256 * 1024 * 1024
"""Records that are searched for one user, and bytes that are read of a topic, for all partitions together."""
_TIMES = ("lapsed_at", "until", "occurred_at", "recorded_at")
_WHATSAPP_ID = re.compile(r"\+?\d{7,15}(?=@|$)")


def main(config: Path, *, user: str | None, limit: int, follow: bool, as_json: bool) -> int:
    """Print the newest records, oldest first, and with `follow` each that comes; return the exit status.

    Raises:
        ConfigError: the settings are not right.
        CommandFailed: the broker does not answer, or does not let the topic be read.
        RegistryUnavailable: the registry does not answer.
    """
    settings = load(config)
    log.configure_for_command()
    kafka_probe.connect(settings.kafka, _BROKER_TIMEOUT_S)
    shared, topic = Shared(settings), settings.topics.delivery_status
    sampler = TopicSampler(shared.admin, settings.kafka, shared.clock, settings.kafka.group_prefix, committed=True)
    show = _as_json if as_json else _as_line
    try:
        sample = sampler.newest(topic, limit, _MAX_BYTES, each=True) if user is None else _search(sampler, topic)
        values = [message.value() for message in sample]
        found = sorted(_chosen(values, shared.codec, user), key=lambda record: (record.recorded_at, record.sequence))
        for record in found[-limit:]:
            print_line(show(record))
        if not found and not follow:
            print_line(f"nothing{f' about {_masked(user)}' if user else ''} on {topic}", err=True)
        if follow:
            ends = {(topic, number): span.stop for number, span in sample.ranges.items()}
            coming = (message.value() for message in sampler.follow(ends) if message is not None)
            with suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
                for record in _chosen(coming, shared.codec, user):
                    print_line(show(record))
    except KafkaException as problem:
        raise CommandFailed(f"{topic} cannot be read: {in_words(problem.args[0])}") from None
    return DONE


def _search(sampler: TopicSampler, topic: str) -> Sample:
    sample = sampler.newest(topic, _SEARCHED, _MAX_BYTES)
    if not sample.is_whole:
        print_line(f"(among the newest {len(sample):,} records)", err=True)
    return sample


def _chosen(values: Iterable[bytes | None], codec: RecordCodec, user: str | None) -> Iterator[DeliveryStatus]:
    """Yield the records about this user, or all; what is no record of ours is passed over."""
    for value in values:
        try:
            record = codec.decode(DeliveryStatus, value or b"")
        except BadRecord:
            continue
        if user in (None, record.user_id):
            yield record


def _as_json(record: DeliveryStatus) -> str:
    fields: dict[str, Any] = asdict(record) | {"user_id": _masked(record.user_id)}
    fields |= {name: None if fields[name] is None else _format_time(fields[name]) for name in _TIMES}
    return to_json(fields)


def _as_line(record: DeliveryStatus) -> str:
    what = f"{record.process}/{record.step}"
    status = f"{record.status}{' (final)' if record.final else ''}"
    code = None if record.error_code is None else str(record.error_code)
    until = f"until {_format_time(record.until)}" if record.until else None
    template = f"{record.template} ({record.language})" if record.template else None
    said = filter(None, [record.reason, code, until, template])
    words = f"{status:<18} {', '.join(said)}".rstrip()
    who = f"{record.reminder_id}  {_masked(record.user_id)}"
    return f"{_format_time(record.recorded_at)}  {who}  {what}  {record.medium}  {words}"


def _masked(user_id: str) -> str:
    """Return the id; of one that is a phone number, or holds one, the last three digits."""
    found = _WHATSAPP_ID.match(user_id)
    if found is None or not ("@" in user_id or user_id.startswith("+") or _is_phone(found[0])):
        return user_id
    return f"…{found[0][-3:]}{user_id[found.end() :]}"


def _is_phone(digits: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits.removeprefix('+')}"))
    except phonenumbers.NumberParseException:
        return False


def _format_time(moment: Millis) -> str:
    return format_iso_time(moment, "milliseconds")
