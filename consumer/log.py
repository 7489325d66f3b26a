"""The log: one line an event, on stderr, as text for people or JSON for machines.

A last filter stands behind the rule that nobody logs a secret or a person: whatever a library or an exception
puts into a line, the webhook secret's path, tokens in headers and URLs, and every secret handed to `configure`
leave it masked.
"""

import logging
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

import structlog
from pydantic import SecretStr
from structlog.types import EventDict, Processor, WrappedLogger

from consumer.config.service import LogSettings

MASK = "***"
_HIDDEN_KEYS = frozenset({"phone", "email", "chat_id", "token", "secret", "password", "authorization"})
_TELLING = re.compile(
    r"(/webhooks/1msg/|\bBearer\s+|\bBasic\s+|[?&](?:token|chatId|phone|api_key)=)[^\s\"'?&,;)}\]\\]+",
    re.IGNORECASE,
)
_PASSWORD_IN_URL = re.compile(r"(://[^/@:\s]*:)[^/@\s]+(?=@)")
# Each request of these libraries would be a line with a URL in it, and some URLs name a chat.
_TALKATIVE = ("alembic.runtime.plugins", "httpx", "httpcore", "uvicorn.access", "sqlalchemy.engine", "asyncio")


class SecretMasker:
    """Takes out of a text, or of every text within a value, whatever must not be read in it."""

    def __init__(self, secrets: Sequence[SecretStr] = ()) -> None:
        # (Of three characters a secret is none, and masking them would leave nothing to read.)
        plain = {text for secret in secrets if len(text := secret.get_secret_value()) > 3}
        longest_first = sorted(plain, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def mask_text(self, text: str) -> str:
        if self._secrets:
            text = self._secrets.sub(MASK, text)
        text = _PASSWORD_IN_URL.sub(rf"\1{MASK}", text)
        return _TELLING.sub(rf"\1{MASK}", text)

    def mask_value(self, value: object) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {self.mask_text(str(key)): self.mask_value(below) for key, below in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.mask_value(below) for below in value]
        return self.mask_text(str(value))


def configure(settings: LogSettings, secrets: Sequence[SecretStr] = (), stream: TextIO | None = None) -> None:
    """Sets up the log of the whole process, the libraries' included. `stream` is stderr unless given."""
    target = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_people,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(settings.level),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _masked(SecretMasker(secrets)),
                _renderer(settings, target),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def configure_for_command() -> None:
    """For commands whose output is the answer: only what goes wrong is logged."""
    configure(LogSettings(level="warning"))


def _renderer(settings: LogSettings, target: TextIO) -> Processor:
    if settings.format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    # Not the pretty tracebacks: they print local variables, and those hold people and tokens.
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=plain)


def _masked(mask: SecretMasker) -> Processor:
    # Before rendering, not after it: within JSON a mask might end in the middle of an escape.
    def process(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {key: mask.mask_value(value) for key, value in event.items()}

    return process


def _hide_people(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    for key in _HIDDEN_KEYS & event.keys():
        event[key] = MASK
    return event
