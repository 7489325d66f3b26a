"""`lapse topics`: shows the topics that Lapse needs, and with `--create` creates the missing ones."""

from pathlib import Path

from confluent_kafka.admin import AdminClient

from consumer import log
from consumer.commands import kafka_probe
from consumer.commands.terminal.exit_codes import DONE, FAILED
from consumer.commands.terminal.output import CheckResult, print_result
from consumer.config.loader import load
from consumer.config.settings import Settings
from consumer.kafka.clients import topics

_BROKER_TIMEOUT_S = 5


def main(config: Path, *, create: bool) -> int:
    """Print a line for each topic; return the exit status.

    Raises:
        ConfigError: the settings are not right.
        CommandFailed: the broker does not answer.
        TopicsRefused: the input topic does not exist, or a topic could not be created.
    """
    settings = load(config)
    log.configure_for_command()
    admin, _ = kafka_probe.connect(settings.kafka, _BROKER_TIMEOUT_S)
    found = verdicts(admin, settings)
    if create:
        missing = [verdict.required for verdict in found if isinstance(verdict, topics.Missing)]
        topics.create(admin, missing, settings.topics.replication)
        found = verdicts(admin, settings)
    good = [print_result(to_result(verdict)) for verdict in found]
    return DONE if all(good) else FAILED


def verdicts(admin: AdminClient, settings: Settings) -> list[topics.Verdict]:
    """Compare each topic with what Lapse needs. Raises TopicsRefused if the input topic does not exist."""
    source = settings.source.topic
    wanted = topics.required_topics(
        settings.topics, settings.state_topic, source, topics.input_partitions(admin, source)
    )
    return topics.compare(wanted, topics.inspect(admin, [topic.name for topic in wanted]))


def to_result(verdict: topics.Verdict, *, will_be_created: bool = False) -> CheckResult:
    """Return a verdict as a result. A missing topic is ok only if Lapse will create it."""
    wanted = verdict.required
    config = [f"{key}={value}" for key, value in wanted.config.items()]
    shape = ", ".join([f"{wanted.partitions} partitions", *config])
    if isinstance(verdict, topics.Missing):
        if will_be_created:
            return CheckResult(True, f"topic {wanted.name}: will be created at the start ({shape})")
        return CheckResult(
            False, f"topic {wanted.name} is missing", f"run `lapse topics --create`, or create it with {shape}"
        )
    if isinstance(verdict, topics.Different):
        return CheckResult(
            not verdict.refusals, f"topic {wanted.name}", "; ".join([*verdict.refusals, *verdict.advice])
        )
    # Of the other topics the number does not matter, and may be another one.
    return CheckResult(True, f"topic {wanted.name}: {shape if 'partitions' in wanted.vital else ', '.join(config)}")
