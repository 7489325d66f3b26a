"""The log: one line for each event, on stderr, as text for people or JSON for programs.

No code may log a secret or personal data. As a second defence a filter masks, in whatever a library or an exception
writes, the path with the webhook's secret, tokens in headers and URLs, and every secret that `configure` got.
"""

import logging
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

import structlog
from pydantic import SecretStr
from structlog.types import EventDict, Processor, WrappedLogger

from consumer.config.sections.service import WEBHOOK_PATH, LogSettings

MASK = "***"
_MASKED_FIELDS = frozenset({"phone", "email", "chat_id", "token", "secret", "password", "authorization"})
_SECRET_IN_TEXT = re.compile(
    rf"({re.escape(WEBHOOK_PATH)}|\bBearer\s+|\bBasic\s+|[?&](?:token|chatId|phone|api_key)=)[^\s\"'?&,;)}}\]\\]+",
    re.IGNORECASE,
)
_PASSWORD_IN_URL = re.compile(r"(://[^/@:\s]*:)[^/@\s]+(?=@)")
# These libraries log each request with its URL, and some URLs contain a chat id, which is a phone number; or they tell
# of their own steps, of which our events say what an operator needs.
_QUIET_LOGGERS = ("alembic", "httpx", "httpx2", "httpcore", "httpcore2", "uvicorn", "sqlalchemy.engine", "asyncio")


class SecretMasker:
    """Masks secrets in a text, or in every text within a value."""

    def __init__(self, secrets: Sequence[SecretStr] = ()) -> None:
        # A text of three characters or fewer is no secret, and masking it would make the log unreadable.
        plain = {text for secret in secrets if len(text := secret.get_secret_value()) > 3}
        longest_first = sorted(plain, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def mask_text(self, text: str) -> str:
        if self._secrets:
            text = self._secrets.sub(MASK, text)
        text = _PASSWORD_IN_URL.sub(rf"\1{MASK}", text)
        return _SECRET_IN_TEXT.sub(rf"\1{MASK}", text)

    def mask_value(self, value: object) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {self.mask_text(str(key)): self.mask_value(below) for key, below in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.mask_value(below) for below in value]
        return self.mask_text(str(value))


def configure(settings: LogSettings, secrets: Sequence[SecretStr] = (), stream: TextIO | None = None) -> None:
    """Set up the log of the whole process, including libraries. `stream` is stderr by default."""
    target = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask_personal_fields,
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
    for name in _QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it warns of every malformed request of a stranger


def configure_for_command() -> None:
    """Set up the log for commands whose output is their result: log warnings and errors only."""
    configure(LogSettings(level="warning"))


def _renderer(settings: LogSettings, target: TextIO) -> Processor:
    if settings.format == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    # Plain tracebacks: the pretty ones print local variables, which contain personal data and tokens.
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=plain)


def _masked(mask: SecretMasker) -> Processor:
    # Before rendering: in rendered JSON a masked text might end in the middle of an escape sequence.
    def process(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {key: mask.mask_value(value) for key, value in event.items()}

    return process


def _mask_personal_fields(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    for key in _MASKED_FIELDS & event.keys():
        event[key] = MASK
    return event
