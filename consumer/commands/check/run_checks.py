"""`lapse check`: runs all checks in order and prints a line for each, or all of them as JSON."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from confluent_kafka import KafkaException
from pydantic import SecretStr

from consumer import log
from consumer.commands import topics
from consumer.commands.check import data, fallback, kafka, ledger, onemsg
from consumer.commands.onemsg_channel import open_client
from consumer.commands.run import required_secrets
from consumer.commands.terminal.exit_codes import DONE, FAILED, MISUSED
from consumer.commands.terminal.output import CheckResult, print_json, print_result
from consumer.config.loader import ConfigError, ledger_hash_key, load, read_secret
from consumer.config.sections.onemsg import OneMsgSettings
from consumer.config.settings import Settings
from consumer.config.types import Role
from consumer.kafka.clients.client_settings import ignored_keys
from consumer.kafka.clients.error_codes import in_words
from consumer.kafka.clients.topics import TopicsRefused
from consumer.wiring.fetch_settings import check_fetch
from consumer.wiring.shared import Shared


def main(config: Path, *, as_json: bool = False) -> int:
    """Print the results; return the exit status.

    Raises:
        ConfigError: the file is not valid. (A missing secret is a printed line.)
    """
    settings = load(config)
    log.configure_for_command()
    missing = _missing_secrets(settings)
    lines: list[CheckResult] = []
    for line in chain(_configuration(config, settings, missing), _results(settings, with_secrets=not missing)):
        lines.append(line)
        if not as_json:
            print_result(line)
    if as_json:
        print_json(lines)
    return MISUSED if missing else DONE if all(line.ok for line in lines) else FAILED


def _configuration(config: Path, settings: Settings, missing: Sequence[str]) -> Iterator[CheckResult]:
    for problem in missing:
        yield CheckResult(False, "configuration", problem)
    if not missing:
        yield CheckResult(True, f"configuration: {config}, processes {', '.join(settings.processes)}")
    try:
        check_fetch(settings)
    except ConfigError as error:
        yield CheckResult(False, "configuration", "; ".join(error.problems))
    if ignored := ignored_keys(settings.kafka):
        advice = "Lapse sets this itself, so what is written has no effect on some clients or all: remove it"
        yield CheckResult(False, f"kafka.client: {', '.join(ignored)}", advice, {"ignored": ignored})


def _missing_secrets(settings: Settings) -> tuple[str, ...]:
    roles: frozenset[Role] = frozenset(["detect", "deliver"] if settings.onemsg else ["detect"])
    try:
        required_secrets(settings, roles)
    except ConfigError as error:
        return error.problems
    return ()


def _results(settings: Settings, *, with_secrets: bool) -> Iterator[CheckResult]:
    line, reached = kafka.check_broker(settings.kafka)
    yield line
    if reached is not None:
        yield from _kafka(settings, reached, with_secrets=with_secrets)
    if settings.schema_registry and with_secrets:
        yield kafka.check_registry(settings.schema_registry)
    if settings.onemsg is None:
        yield CheckResult(True, "1MSG: there is no section onemsg, so only `lapse run --role detect` works")
        return
    hash_key = ledger_hash_key(settings) if with_secrets else None
    yield ledger.check_ledger(settings.ledger.url, ledger.topic_positions(settings, reached), hash_key)
    if with_secrets:
        yield from asyncio.run(_channel(settings, settings.onemsg))
        if email := settings.fallback.email:
            secret = read_secret(email.password, "fallback.email.password") if email.password else None
            yield asyncio.run(fallback.check_mail(email, secret.get_secret_value() if secret else None))


def _kafka(settings: Settings, reached: kafka.Reached, *, with_secrets: bool) -> Iterator[CheckResult]:
    yield (line := kafka.check_input_topic(reached, settings.source.topic))
    if not line.ok:
        return
    try:
        for verdict in topics.verdicts(reached[0], settings):
            yield topics.to_result(verdict, will_be_created=settings.topics.create)
    except KafkaException as problem:
        yield CheckResult(False, "topics", f"the broker does not describe them: {in_words(problem.args[0])}")
    except TopicsRefused as problem:
        yield CheckResult(False, "topics", str(problem))
    if with_secrets:  # the registry may need one
        yield from data.check_data(Shared(settings))


async def _channel(settings: Settings, section: OneMsgSettings) -> list[CheckResult]:
    source = settings.web.webhook_secret
    secret: SecretStr | None = read_secret(source, "web.webhook_secret") if source else None
    async with open_client(section) as channel:
        lines = await onemsg.check_connection(channel)
        if not lines[0].ok:
            return lines  # the other checks would fail for the same reason
        lines += await onemsg.check_templates(channel, onemsg.required_templates(section, settings.processes))
        lines.append(onemsg.check_secret(secret))
        if secret:
            lines += await onemsg.check_webhook(channel, settings.web, secret)
        return lines
