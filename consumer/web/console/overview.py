"""How everything stands at one moment, for people and programs. No names, no phone numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from consumer.clock import Millis
from consumer.ledger.queries.console import InDoubt, StatusCount
from consumer.ledger.schema.rows import ChannelRow
from consumer.web.health import PartState


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything that is shown, as of `at`; `in_doubt` holds the latest only, `doubts` is how many there are."""

    at: Millis
    parts: Mapping[str, PartState]
    reminders: tuple[StatusCount, ...] = ()
    doubts: int = 0
    in_doubt: tuple[InDoubt, ...] = ()
    stopped: tuple[ChannelRow, ...] = ()


def to_json(seen: Overview) -> dict[str, Any]:
    """The overview as JSON."""
    return {
        "at": seen.at,
        "parts": {name: {"ok": state.ok, "detail": state.detail} for name, state in seen.parts.items()},
        "reminders": [asdict(each) for each in seen.reminders],
        "doubts": seen.doubts,
        "in_doubt": [asdict(each) for each in seen.in_doubt],
        "stopped": [asdict(each) for each in seen.stopped],
    }
