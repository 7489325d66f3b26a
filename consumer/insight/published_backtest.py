"""A backtest as the ledger keeps it for the console and the report: when it was made, and of which history."""

from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from consumer.clock import Millis
from consumer.insight.backtest import Backtest


@dataclass(frozen=True, slots=True)
class PublishedBacktest:
    """`history` says in words where the activities were read."""

    published_at: Millis
    history: str
    backtest: Backtest


_ADAPTER = TypeAdapter(PublishedBacktest)


def dump(published: PublishedBacktest) -> str:
    """Return it as JSON."""
    return _ADAPTER.dump_json(published).decode()


def parse(text: str | None) -> PublishedBacktest | None:
    """Return what `dump` wrote; None where there is nothing, or what another version of Lapse wrote."""
    if text is None:
        return None
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return None
