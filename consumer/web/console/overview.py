"""What the console shows, for people and programs. No names, no phone numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from consumer.clock import Millis
from consumer.ledger.queries.reporting.console import InDoubt, StatusCount
from consumer.ledger.schema.rows import ChannelRow
from consumer.web.health import PartState


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything that is shown, as of `at`; `in_doubt` has only the latest, `doubts` is how many there are."""

    at: Millis
    parts: Mapping[str, PartState]
    reminders: tuple[StatusCount, ...] = ()
    doubts: int = 0
    in_doubt: tuple[InDoubt, ...] = ()
    stopped: tuple[ChannelRow, ...] = ()


def to_json(overview: Overview) -> dict[str, Any]:
    """Return the overview as JSON."""
    return {
        "at": overview.at,
        "parts": {name: {"ok": state.ok, "detail": state.detail} for name, state in overview.parts.items()},
        "reminders": [asdict(each) for each in overview.reminders],
        "doubts": overview.doubts,
        "in_doubt": [asdict(each) for each in overview.in_doubt],
        "stopped": [asdict(each) for each in overview.stopped],
    }
