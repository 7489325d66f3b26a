"""`lapse run`: checks the settings, the secrets and the broker, then runs the service."""

import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog
from pydantic import SecretStr

from consumer import log
from consumer.commands import kafka_probe
from consumer.config.loader import CLIENT_SECRETS, ConfigError, load, read_secret
from consumer.config.placeholders import placeholder_problems
from consumer.config.settings import Settings
from consumer.config.types import Role, Secret

_IN_URLS = ("web.webhook_secret", "web.other_webhook_secret")
_URL_SAFE = re.compile(r"[A-Za-z0-9._~-]+")
_BROKER_TIMEOUT_S = 30
"""Long, because the broker is often started at the same time."""


def main(config: Path, role: Role | None) -> int:
    """Run the roles until a signal stops them; return the exit status.

    Raises:
        ConfigError: settings or secrets that the roles need are missing or wrong.
        CommandFailed: the broker does not answer.
    """
    settings = load(config)
    roles: frozenset[Role] = frozenset([role] if role else ["detect", "deliver"])
    log.configure(settings.log, required_secrets(settings, roles))
    # Until the service handles signals itself, there is nothing to shut down in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    logger = structlog.get_logger()
    logger.info("service_starting", roles=sorted(roles), broker=settings.kafka.bootstrap_servers)

    def report_wait(waited_s: int, problem: str) -> None:
        logger.warning("waiting_for_broker", problem=problem, waited_s=waited_s, gives_up_after_s=_BROKER_TIMEOUT_S)

    kafka_probe.connect(settings.kafka, _BROKER_TIMEOUT_S, report_wait)
    from consumer import app  # imported late: it loads everything, and mistakes should be reported quickly

    return app.run(settings, roles)


def required_secrets(
    settings: Settings, roles: frozenset[Role], environ: Mapping[str, str] = os.environ
) -> list[SecretStr]:
    """Return every secret that these roles need, including those for librdkafka.

    Raises:
        ConfigError: naming all secrets that are missing, and all values that are still to be filled in.
    """
    found = [SecretStr(str(value)) for key, value in settings.kafka.client.items() if key in CLIENT_SECRETS]
    problems: list[str] = []
    if "deliver" in roles and settings.onemsg is None:
        problems.append("onemsg: is missing: deliver needs it; without it only `lapse run --role detect` works")
    problems += placeholder_problems(settings, roles)
    for key, secret in _configured(settings, roles):
        try:
            found.append(read_secret(secret, key, environ))
        except ConfigError as error:
            problems += error.problems
        else:
            if key in _IN_URLS and not _URL_SAFE.fullmatch(found[-1].get_secret_value()):
                problems.append(f"{secret.place or key}: is part of a URL: use only letters, digits, - and _")
    if problems:
        raise ConfigError(problems)
    return found


def _configured(settings: Settings, roles: frozenset[Role]) -> Iterator[tuple[str, Secret]]:
    registry, onemsg, web = settings.schema_registry, settings.onemsg, settings.web
    if registry and registry.password:
        yield "schema_registry.password", registry.password
    if registry and registry.token:
        yield "schema_registry.token", registry.token
    if onemsg and "deliver" in roles:
        yield "onemsg.token", onemsg.token
    if "deliver" in roles:
        for key, secret in zip(_IN_URLS, (web.webhook_secret, web.other_webhook_secret), strict=True):
            if secret:
                yield key, secret
        email, hook = settings.fallback.email, settings.fallback.webhook
        if email and email.password:
            yield "fallback.email.password", email.password
        if hook:
            yield "fallback.webhook.secret", hook.secret
    if web.api_token:
        yield "web.api_token", web.api_token
