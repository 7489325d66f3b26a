"""`lapse run`: the service, once it is certain that it can begin."""

import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import structlog
from pydantic import SecretStr

from consumer import log
from consumer.commands import kafka_probe
from consumer.config.loader import CLIENT_SECRETS, ConfigError, load, read_secret
from consumer.config.settings import Settings
from consumer.config.types import Secret

Role: TypeAlias = Literal["detect", "deliver"]

_IN_A_URL = "web.webhook_secret"
_UNCHANGED_IN_A_URL = re.compile(r"[A-Za-z0-9._~-]+")
_BROKER_PATIENCE = 30
"""Seconds. What starts us often starts the broker too."""


def main(config: Path, role: Role | None) -> int:
    """Runs until told to stop; the exit status.

    Raises:
        ConfigError: the settings or the secrets are not what the roles need.
        Failed: the broker does not answer.
    """
    settings = load(config)
    roles: frozenset[Role] = frozenset([role] if role else ["detect", "deliver"])
    log.configure(settings.log, required_secrets(settings, roles))
    # Until the service takes its own measures there is nothing to hand back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    structlog.get_logger().info("starting", roles=sorted(roles), broker=settings.kafka.bootstrap_servers)
    kafka_probe.connect(settings.kafka, _BROKER_PATIENCE)
    from consumer import app  # only now: it brings in everything else, and a mistake should be told at once

    return app.run(settings, roles)


def required_secrets(
    settings: Settings, roles: frozenset[Role], environ: Mapping[str, str] = os.environ
) -> list[SecretStr]:
    """Every secret that these roles need, those for librdkafka included.

    Raises:
        ConfigError: naming all of those that are not there.
    """
    found = [SecretStr(str(value)) for key, value in settings.kafka.client.items() if key in CLIENT_SECRETS]
    problems: list[str] = []
    if "deliver" in roles and settings.onemsg is None:
        problems.append("onemsg: is missing: deliver sends through it; without it only `--role detect` can run")
    for key, secret in _configured(settings, roles):
        try:
            found.append(read_secret(secret, key, environ))
        except ConfigError as error:
            problems += error.problems
        else:
            if key == _IN_A_URL and not _UNCHANGED_IN_A_URL.fullmatch(found[-1].get_secret_value()):
                problems.append(f"{key}: becomes a part of an address: write letters, digits, - and _ only")
    if problems:
        raise ConfigError(problems)
    return found


def _configured(settings: Settings, roles: frozenset[Role]) -> Iterator[tuple[str, Secret]]:
    registry, onemsg, web = settings.schema_registry, settings.onemsg, settings.web
    if registry and registry.password:
        yield "schema_registry.password", registry.password
    if onemsg and "deliver" in roles:
        yield "onemsg.token", onemsg.token
    if web.webhook_secret and "deliver" in roles:
        yield _IN_A_URL, web.webhook_secret
    if "deliver" in roles:
        email, hook = settings.fallback.email, settings.fallback.webhook
        if email and email.password:
            yield "fallback.email.password", email.password
        if hook:
            yield "fallback.webhook.secret", hook.secret
    if web.api_token:
        yield "web.api_token", web.api_token
