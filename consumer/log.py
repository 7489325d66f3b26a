"""The log: one line for each event, on stderr, as text for people or JSON for programs.

No code may log a secret or personal data. As a second defence a filter masks, in whatever a library writes, the path
with the webhook's secret, tokens in headers and URLs, and every secret that `configure` got. Of an exception only its
kind and its place are written: its text may quote what somebody sent. What others cause is bounded, too: how long a
text is, and how often a minute the same warning is written.
"""

import logging
import re
import sys
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import structlog
from confluent_kafka import KafkaException
from pydantic import SecretStr
from structlog.types import EventDict, Processor, WrappedLogger

from consumer.clock import MINUTE, Clock, SystemClock
from consumer.config.sections.service import WEBHOOK_PATH, LogSettings

MASK = "***"
MOST_PER_MINUTE = 100
"""Lines of the same warning or error. The first after that minute says how many were left out."""
MAX_TEXT_CHARACTERS = 4_000
_MASKED_FIELDS = frozenset({"phone", "email", "chat_id", "token", "secret", "password", "authorization"})
_SECRET_IN_TEXT = re.compile(
    rf"({re.escape(WEBHOOK_PATH)}|\bBearer\s+|\bBasic\s+|[?&](?:token|chatId|phone|api_key)=)[^\s\"'?&,;)}}\]\\]+",
    re.IGNORECASE,
)
_PASSWORD_IN_URL = re.compile(r"(://[^/@:\s]*:)[^/@\s]+(?=@)")
_PLACES = 8
"""Of a traceback."""
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
            return {_bounded(self.mask_text(str(key))): self.mask_value(below) for key, below in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.mask_value(below) for below in value]
        return _bounded(self.mask_text(str(value)))


class FloodFilter(logging.Filter):
    """Lets the same warning or error through a hundred times a minute: others may cause as many as they like."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._ends = 0
        self._seen = Counter[str]()
        self._left_out = Counter[str]()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        now = self._clock.monotonic()
        if now >= self._ends:
            self._ends = now + MINUTE
            self._seen.clear()
        event = record.msg if isinstance(record.msg, dict) else {}
        name = str(event.get("event", record.name))  # (a library's texts differ each time)
        self._seen[name] += 1
        if self._seen[name] > MOST_PER_MINUTE:
            self._left_out[name] += 1
            return False
        if event and (count := self._left_out.pop(name, 0)):
            record.msg = {**event, "left_out_before": count}
        return True


def configure(
    settings: LogSettings,
    secrets: Sequence[SecretStr] = (),
    stream: TextIO | None = None,
    *,
    clock: Clock | None = None,
) -> None:
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
    handler.addFilter(FloodFilter(clock or SystemClock()))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _place_of_exception,
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
    return structlog.dev.ConsoleRenderer(colors=target.isatty())


def _masked(mask: SecretMasker) -> Processor:
    # Before rendering: in rendered JSON a masked text might end in the middle of an escape sequence.
    def process(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {key: mask.mask_value(value) for key, value in event.items()}

    return process


def _bounded(text: str) -> str:
    """Return a text without what a terminal would obey or an encoder refuse, and not longer than it may be."""
    cut = text if len(text) <= MAX_TEXT_CHARACTERS else text[:MAX_TEXT_CHARACTERS] + "…"
    return cut if cut.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in cut)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _place_of_exception(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by the exception's kind, what it came from, and where it was raised, the innermost first.

    Of texts only those of the system, the database and Kafka are written, which quote nobody.
    """
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        frames = reversed(traceback.extract_tb(error.__traceback__)[-_PLACES:])
        event["raised"] = type(error).__name__
        if reason := _quoting_nobody(error):
            event["reason"] = reason
        if (cause := error.__cause__) is not None:
            event["cause"] = type(cause).__name__
        event["at"] = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames)
    return event


def _mask_personal_fields(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    for key in _MASKED_FIELDS & event.keys():
        event[key] = MASK
    return event


def _quoting_nobody(error: BaseException) -> str | None:
    said: object = getattr(error, "orig", None)  # of SQLAlchemy's errors; the ledger hides the values in it
    if hasattr(said, "sqlstate") or hasattr(said, "sqlite_errorcode"):
        return str(said)
    if isinstance(error, OSError):
        return error.strerror
    return str(error.args[0]) if isinstance(error, KafkaException) else None
