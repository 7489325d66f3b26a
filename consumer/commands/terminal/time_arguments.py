"""Times as people write them, on a command line or in a file."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal

import typer
from pydantic import TypeAdapter, ValidationError

from consumer.clock import Millis
from consumer.config.types import Duration, millis

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SPAN: TypeAdapter[timedelta] = TypeAdapter(Duration)


def parse_iso_time(text: str, zone: tzinfo | None = UTC) -> Millis | None:
    """Return a date or time in ISO 8601 as milliseconds, read in `zone` if it names none; None if it is no such text.

    If `zone` is None, the text must name one.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=zone)
    return millis(found - _EPOCH) if found.tzinfo else None


def parse_since(text: str, now: Millis, option: str) -> Millis:
    """Return the time that an option means: `24h` is that long before `now`, anything else a date or a time.

    Raises:
        typer.BadParameter: the text is neither; the message names `option`.
    """
    found = parse_iso_time(text)
    if found is not None:
        return found
    try:
        return now - millis(_SPAN.validate_python(text))
    except ValidationError:
        hint = "write how long ago (90m, 24h, 7d), or a date or a time such as 2026-03-29T14:00Z"
        raise typer.BadParameter(hint, param_hint=option) from None


def format_time(moment: Millis) -> str:
    """Return a time in UTC, to the second."""
    return _utc(moment).strftime("%Y-%m-%d %H:%M:%S")


def format_minute(moment: Millis) -> str:
    """Return a time in UTC, to the minute."""
    return _utc(moment).strftime("%Y-%m-%d %H:%M")


def format_iso_time(moment: Millis, precision: Literal["seconds", "milliseconds"]) -> str:
    """Return a time in UTC as ISO 8601, for programs."""
    return _utc(moment).isoformat(timespec=precision).replace("+00:00", "Z")


def _utc(moment: Millis) -> datetime:
    return _EPOCH + timedelta(milliseconds=moment)
