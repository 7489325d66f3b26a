"""`lapse init`: looks at a topic, asks what it cannot tell, and writes the configuration."""

import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]
from pydantic import ValidationError

from consumer.activity.errors import BadRecord
from consumer.activity.event_values import value_at
from consumer.activity.schemas.avro_schema import UnusableSchema, read_schemas
from consumer.activity.schemas.framing import text_of_key
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.activity.whole_events import WholeEventReader, is_json
from consumer.clock import SystemClock
from consumer.commands import kafka_probe
from consumer.commands.init import questions
from consumer.commands.init.channel import TOKEN_VARIABLE, Channel, find_channel
from consumer.commands.init.config_text import Answers, ProcessAnswer, config_text
from consumer.commands.init.proposals import Candidate, Proposal, Record, propose
from consumer.commands.init.questions import ProcessFlags
from consumer.commands.terminal.exit_codes import DONE, CommandFailed
from consumer.commands.terminal.output import print_line, print_text
from consumer.commands.topic_sample import Sample, TopicSampler
from consumer.config.loader import load
from consumer.config.sections.event_paths import Path as FieldPath
from consumer.config.sections.event_paths import steps_in
from consumer.config.sections.kafka import KafkaSettings
from consumer.config.types import NOT_ENCRYPTED, strangers_could_read
from consumer.kafka.clients.error_codes import in_words

_BROKER_TIMEOUT_S = 5
_MAX_RECORDS, _MAX_BYTES = 10_000, 32 * 1024 * 1024
_PATHS = {"user": "the user's id", "time": "the time of the event", "event": "the name of the event"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was given on the command line. With `ask` a person is asked for the rest, else it is guessed or refused."""

    output: Path
    bootstrap_servers: str
    client: Mapping[str, str] = field(default_factory=dict)
    topic: str | None = None
    registry: str | None = None
    registry_user: str | None = None
    schemas: Sequence[Path] = ()
    paths: Mapping[str, str] = field(default_factory=dict)
    processes: ProcessFlags = field(default_factory=ProcessFlags)
    channel: Channel = field(default_factory=Channel)
    ask: bool = True


def main(options: Options) -> int:
    """Look, ask and write; return the exit status.

    Raises:
        CommandFailed: the file exists, the broker does not answer, or nothing in the topic can be read.
        ConfigError: an answer makes no configuration.
        typer.BadParameter: a flag names what was not seen.
    """
    if options.output.exists():
        raise CommandFailed(f"{options.output} exists already, and nothing was changed: remove it, or give --output")
    kafka = _kafka(options)
    _refuse_open_secrets(options)
    admin, cluster = kafka_probe.connect(kafka, _BROKER_TIMEOUT_S)
    topic = options.topic or _ask_topic(cluster, ask=options.ask)
    if topic not in cluster.topics:
        raise CommandFailed(f"there is no topic {topic}; there are: {', '.join(_topics(cluster)) or 'none'}")
    sample = _sample(admin, kafka, topic)
    records = _read(sample, options)
    form = "json" if all(is_json(m.value() or b"") for ms in sample.messages.values() for m in ms[-1:]) else "avro"
    number = len(cluster.topics[topic].partitions)
    print_text(f"\n{topic}: {number} partitions, {form}; looked at {len(records):,} events")
    found = propose(records)
    paths = _paths(found, options)
    answers = Answers(
        bootstrap_servers=options.bootstrap_servers,
        client=options.client,
        topic=topic,
        format=form,
        paths=paths,
        examples=_examples(paths, found),
        registry=options.registry,
        registry_user=options.registry_user,
        schemas=[str(file) for file in options.schemas],
        processes=_processes(records, paths, options),
        channel=find_channel(options.channel, ask=options.ask),
    )
    _write(options.output, config_text(answers))
    token = "" if answers.channel is None or os.environ.get(TOKEN_VARIABLE) else f"export {TOKEN_VARIABLE}=…, then "
    print_text(f"\nWrote {options.output}. Next: {token}lapse check")
    return DONE


def _topics(cluster: ClusterMetadata) -> list[str]:
    return sorted(name for name in cluster.topics if not name.startswith("_"))


def _ask_topic(cluster: ClusterMetadata, *, ask: bool) -> str:
    names = _topics(cluster)
    if not ask or not names:
        raise typer.BadParameter(f"say which topic; there are: {', '.join(names) or 'none'}", param_hint="--topic")
    for number, name in enumerate(names, 1):
        print_line(f"  {number}. {name}")
    answer = str(typer.prompt("Which topic says what users do (a number or a name)"))
    return names[int(answer) - 1] if answer.isdigit() and 0 < int(answer) <= len(names) else answer


def _sample(admin: AdminClient, kafka: KafkaSettings, topic: str) -> Sample:
    try:
        sample = TopicSampler(admin, kafka, SystemClock(), "lapse").newest(topic, _MAX_RECORDS, _MAX_BYTES)
    except KafkaException as problem:
        raise CommandFailed(f"{topic} cannot be read: {in_words(problem.args[0])}") from None
    if not len(sample):
        raise CommandFailed(f"{topic} is empty: there is nothing to look at. Run this again once it has events")
    return sample


def _read(sample: Sample, options: Options) -> list[Record]:
    """Return the events that can be read. Raises CommandFailed if there are none, RegistryUnavailable."""
    read = WholeEventReader(_writers(options))
    found: list[Record] = []
    bad: Counter[str] = Counter()
    for message in sample:
        if value := message.value():
            try:
                found.append(Record(read(value), text_of_key(message.key() or b""), message.timestamp()[1]))
            except BadRecord as problem:
                bad[problem.error] += 1
    if bad:
        [(error, _)] = bad.most_common(1)
        advice = error.replace("schema_registry.url", "--registry URL")
        if not found:
            raise CommandFailed(f"none of {bad.total():,} events can be read: {advice}")
        print_line(f"{bad.total():,} events cannot be read, most of them because: {advice}")
    return found


def _kafka(options: Options) -> KafkaSettings:
    try:
        return KafkaSettings(bootstrap_servers=options.bootstrap_servers, client=dict(options.client))
    except ValidationError as problem:
        raise CommandFailed(f"kafka.client: {problem.errors()[0]['msg'].removeprefix('Value error, ')}") from None


def _refuse_open_secrets(options: Options) -> None:
    addresses = {"--base-url": options.channel.base_url, "--registry": options.registry_user and options.registry}
    for option, address in addresses.items():
        if address and strangers_could_read(address):
            raise CommandFailed(f"{option} {NOT_ENCRYPTED}")


def _writers(options: Options) -> WriterSchemas:
    registry = None
    if options.registry:
        from consumer.activity.schemas.registry import RegistryClient

        password = os.environ.get("REGISTRY_PASSWORD")
        registry = RegistryClient(options.registry, user=options.registry_user, password=password)
    try:
        return WriterSchemas(SystemClock(), registry, read_schemas(options.schemas))
    except UnusableSchema as problem:
        raise CommandFailed(f"--schema: {problem}") from None


def _paths(found: Proposal, options: Options) -> dict[str, str]:
    """Return the paths of `source`; none where the events have Lapse's own fields."""
    if found.native and not options.paths:
        print_line("The events have the fields of Lapse's own schema (user_id, process, kind, occurred_at).")
        return {}
    candidates = {"user": found.user, "time": found.time, "event": found.event}
    return {key: _path(key, candidates[key], options) for key in _PATHS}


def _path(key: str, candidates: Sequence[Candidate], options: Options) -> str:
    if given := options.paths.get(key):
        return given
    if options.ask:
        print_text(f"\nWhere is {_PATHS[key]}?")
        return questions.ask_path(_PATHS[key], candidates)
    if not candidates:
        raise typer.BadParameter(f"nothing looks like {_PATHS[key]}: give its path", param_hint=f"--{key}")
    print_line(f"{_PATHS[key]}: {candidates[0].path}, such as {candidates[0].example}")
    return candidates[0].path


def _examples(paths: Mapping[str, str], found: Proposal) -> dict[str, str]:
    """Return a time and a name as examples for the file; a user's id has no place in it."""
    known = {each.path: each.example for each in (*found.time, *found.event)}
    return {key: known[path] for key, path in paths.items() if path in known and key != "user"}


def _processes(records: Sequence[Record], paths: Mapping[str, str], options: Options) -> Sequence[ProcessAnswer]:
    events = _names(records, steps_in(paths["event"])) if paths else None
    processes = Counter[str]() if paths else _names(records, ("process",))
    if events is not None and not events:
        raise CommandFailed(f"no event has a name at {paths['event']}")
    if options.processes.names or not options.ask:
        if events is not None:
            print_line("Events:")
            questions.show_counts(events)
        return questions.from_flags(options.processes, events)
    print_text("\nWhat can a user leave unfinished?")
    return questions.ask_processes(events, processes)


def _names(records: Sequence[Record], path: FieldPath) -> Counter[str]:
    found = (value_at(record.event, path) for record in records)
    return Counter(str(name) for name in found if isinstance(name, str | int))


def _write(output: Path, text: str) -> None:
    """Write a file that does not exist yet, once its content is known to load. Raises ConfigError, CommandFailed."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder, output.name)
        draft.write_text(text, encoding="utf-8")
        load(draft, {})
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as problem:
        raise CommandFailed(f"{output} cannot be written: {problem.strerror}") from None
