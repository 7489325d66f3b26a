"""The record with which a rebuild begins: everything before it, damaged or not, no longer counts."""

import json
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter, ValidationError

from consumer.clock import Millis
from consumer.detect.lapse_rules import AskedFrom
from consumer.detect.snapshot import DamagedState
from consumer.kafka.changelog.segment_header import Headers, Seal
from consumer.kafka.changelog.writer import ChangelogRecord

REBUILT = b"rebuilt"
"""Its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildMarker:
    """Begin with an empty table at this offset of the input; `grown_at` and `asked_from` as in `lineage.Lineage`."""

    group: str
    offset: int
    grown_at: Millis | None
    asked_from: AskedFrom

    def record(self, seal: Seal) -> ChangelogRecord:
        """Return its record; `seal` is of its partition."""
        value = json.dumps(asdict(self)).encode()
        return ChangelogRecord(REBUILT, value, seal.headers(REBUILT, b"", value))


_marker = TypeAdapter(RebuildMarker)


def parse(seal: Seal, group: str, headers: Headers, value: bytes) -> RebuildMarker:
    """Return the marker in a record of this group. Raises DamagedState."""
    seal.verify(REBUILT, headers)
    seal.verify_value(headers, value)
    try:
        marker = _marker.validate_json(value, strict=True)
    except (ValidationError, ValueError, RecursionError) as error:
        raise DamagedState("its rebuild marker cannot be read") from error
    if marker.group != group:
        raise DamagedState(f"it was rebuilt for the group {marker.group!r}, not {group!r}")
    return marker
