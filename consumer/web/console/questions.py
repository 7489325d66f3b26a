"""Reads what an address or a form says into the API's questions. An empty field says nothing. Pure."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlencode

from pydantic import ValidationError
from starlette.exceptions import HTTPException

from consumer.clock import SECOND, Millis
from consumer.web.api.operation import Question

Q = TypeVar("Q", bound=Question)


def question(kind: type[Q], given: Mapping[str, str]) -> Q:
    """Return the question that these fields ask; others are passed over. Raises HTTPException 400."""
    values = {name: value for name in kind.model_fields if (value := given.get(name))}
    try:
        return kind.model_validate(values)
    except ValidationError as problem:
        where = {str(part) for error in problem.errors() for part in error["loc"]}
        what = f"What is given as {', '.join(sorted(where))}" if where else "What is given"
        raise HTTPException(400, f"{what} cannot be right.") from None


def days(given: Mapping[str, str]) -> dict[str, str]:
    """Return `since` and `until` (milliseconds, as texts) of the days `from` to `to`, in place of those two.

    Raises HTTPException 400.
    """
    rest = {name: value for name, value in given.items() if name not in {"from", "to"}}
    if first := given.get("from"):
        rest["since"] = str(_midnight(first, 0))
    if last := given.get("to"):
        rest["until"] = str(_midnight(last, 1))
    return rest


def date_of(at: Millis) -> str:
    """Return the day of a moment (UTC), as a date field has it."""
    return datetime.fromtimestamp(at // SECOND, UTC).date().isoformat()


def address(asked: Question, path: str) -> str:
    """Return the address of the page that asks this."""
    values = {name: str(value) for name, value in asked.model_dump(exclude_none=True, exclude_defaults=True).items()}
    return path + (f"?{urlencode(values)}" if values else "")


def _midnight(text: str, later: int) -> Millis:
    try:
        day = date.fromisoformat(text) + timedelta(days=later)
        return max(0, int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND)
    except (ValueError, OverflowError):
        raise HTTPException(400, "Write a day as 2026-03-29.") from None
