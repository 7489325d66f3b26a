"""The headers of a segment: what it says of itself, and checksums that are verified before anything is believed.

    segment    JSON: see `SegmentHeader`
    digest     SHA-256 of the value
    seal       HMAC-SHA256 of the partition, the record's key and the two headers above

A seal without a key finds damage. With one (`topics.state_key`), only who has it can write segments that are accepted.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pydantic import TypeAdapter, ValidationError

from consumer.clock import Millis
from consumer.detect.brake import NO_BRAKE_STATE, REASONS, BrakeState
from consumer.detect.snapshot import LATEST_TIME, DamagedState
from consumer.kafka.changelog.lineage import Lineage

FORMAT = 5
"""What is written: Arrow IPC as a stream, with a column of trace contexts where there are any."""
FILE_FORMATS = (3, 4)
"""What earlier versions wrote: Arrow IPC as a file, in format 4 with trace contexts. It is read as before."""
_FORMATS = (*FILE_FORMATS, FORMAT)
_SEGMENT, _DIGEST, _SEAL = "segment", "digest", "seal"
_LARGEST_COUNT = 1 << 53

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentHeader:
    """Describes a segment. `offset` is the next input offset to read, `watermark` the partition's, `chunks` the number
    of pieces of this commit's delta, `pages` the number of pages of the table, `processes` the names of the
    process codes in its rows, `lineage` what the state was made from, `brake_state` what is held against the input."""

    version: int = FORMAT
    group: str
    sequence: int
    offset: int
    watermark: Millis | None
    chunks: int
    pages: int
    processes: Sequence[str]
    lineage: Lineage
    brake_state: BrakeState = NO_BRAKE_STATE

    def encode(self) -> bytes:
        return _header.dump_json(self)


class Seal:
    """Makes and verifies the checksums of one partition's records."""

    def __init__(self, key: bytes = b"", partition: int = 0) -> None:
        self._key = key
        self._partition = b"%d" % partition

    def headers(self, name: bytes, header: bytes, value: bytes) -> list[tuple[str, bytes]]:
        """Return the headers of a record with this key, `SegmentHeader.encode()` and value."""
        digest = hashlib.sha256(value).digest()
        return [(_SEGMENT, header), (_DIGEST, digest), (_SEAL, self._seal(name, header, digest))]

    def verify(self, name: bytes, headers: Headers) -> None:
        """Raise DamagedState unless these headers of the record with this key are as they were written."""
        stored = dict(headers)
        header, digest, seal = stored.get(_SEGMENT), stored.get(_DIGEST), stored.get(_SEAL)
        if header is None:
            raise DamagedState("a record without a segment header: not written by Lapse")
        if digest is None or seal is None:
            raise DamagedState(f"a record without a checksum: this Lapse reads formats {_FORMATS[0]} to {FORMAT}")
        if not hmac.compare_digest(seal, self._seal(name, header, digest)):
            raise DamagedState("its checksum is wrong: it was changed, or written with another topics.state_key")

    def verify_value(self, headers: Headers, value: bytes) -> None:
        """Raise DamagedState unless the value is as it was written. The headers must have been verified."""
        if hashlib.sha256(value).digest() != dict(headers)[_DIGEST]:
            raise DamagedState("its content is damaged: it does not have its checksum")

    def _seal(self, *parts: bytes) -> bytes:
        sealed = hmac.new(self._key, digestmod="sha256")
        for part in (self._partition, *parts):
            sealed.update(b"%d:" % len(part))
            sealed.update(part)
        return sealed.digest()


_header = TypeAdapter(SegmentHeader)


def parse(headers: Headers, group: str) -> SegmentHeader:
    """Return the header of a segment of this group. Its seal is verified elsewhere. Raises DamagedState."""
    stored = dict(headers).get(_SEGMENT)
    if stored is None:
        raise DamagedState("a record without a segment header: not written by Lapse")
    try:
        version = json.loads(stored)["version"]
        if version not in _FORMATS:
            newer = isinstance(version, int) and version > FORMAT
            advice = ": a newer Lapse wrote it: run that version" if newer else ""
            raise DamagedState(f"its format is {version}; this Lapse reads {_FORMATS[0]} to {FORMAT}{advice}")
        header = _header.validate_json(stored, strict=True)
    except (ValidationError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DamagedState("its segment header cannot be read") from error
    if wrong := next((name for name, is_valid in _checks(header).items() if not is_valid), None):
        raise DamagedState(f"its segment header cannot be read: no {wrong} can be like that")
    if header.group != group:
        raise DamagedState(f"it belongs to the group {header.group!r}, not {group!r}")
    return header


def _checks(header: SegmentHeader) -> Mapping[str, bool]:
    """Return for each field whether its value can be one."""
    lineage, brake = header.lineage, header.brake_state
    known, volume = lineage.processes, lineage.volume
    times = [header.watermark, lineage.grown_at, lineage.begun_at]
    times += [t for p in known.values() for t in (p.gone_since, p.not_before)]
    times += [t for spans in lineage.asked_from.rungs.values() for pair in spans.items() for t in pair]
    asked_from = lineage.asked_from.start or 0  # may lie before 1970, if the whole past is asked about
    return {
        "time": all(t is None or 0 <= t <= LATEST_TIME for t in times) and abs(asked_from) <= LATEST_TIME,
        "sequence": 0 < header.sequence <= _LARGEST_COUNT,
        "offset": 0 <= header.offset <= _LARGEST_COUNT,
        "number of chunks": 0 < header.chunks <= _LARGEST_COUNT,
        "number of pages": 0 <= header.pages <= _LARGEST_COUNT,
        "number of partitions": 0 < lineage.partitions <= _LARGEST_COUNT,
        "tolerated share": 0 <= brake.tolerated <= 1,
        "mean of before": 0 <= (brake.mean_before or 0) <= _LARGEST_COUNT,
        "ladder": all(_is_ladder(process.ladder) for process in known.values()),
        "volume": volume is None
        or (
            0 < volume.window <= LATEST_TIME
            and 0 <= volume.since <= LATEST_TIME
            and 0 <= volume.until <= LATEST_TIME
            and all(0 <= count <= _LARGEST_COUNT for count in volume.counts)
        ),
        "brake": {brake.held, brake.released} <= REASONS | {None},
    }


def _is_ladder(ladder: Sequence[Millis]) -> bool:
    rises = all(earlier < later for earlier, later in pairwise(ladder))
    return bool(ladder) and rises and ladder[0] > 0 and ladder[-1] <= LATEST_TIME
