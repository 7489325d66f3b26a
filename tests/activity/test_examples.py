"""The examples of platforms' own events do what their comments say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consumer.activity.decoder import Decoded
from consumer.activity.record_metadata import Metadata
from consumer.clock import HOUR, Millis
from consumer.config.loader import load
from consumer.records import Ending
from consumer.wiring.detect import decoder
from consumer.wiring.shared import Shared

EXAMPLES = Path(__file__).parents[2] / "examples"
AT: Millis = 1_793_610_000_250
"""2026-11-02, 9:00 UTC and a quarter of a second."""
MINUTE = 60_000


def in_bytes(part: Any) -> bytes | None:
    if part is None:
        return None
    return part.encode() if isinstance(part, str) else json.dumps(part).encode()


def decoded(name: str) -> Decoded:
    """What the service makes of an example's records."""
    lines = [json.loads(line) for line in (EXAMPLES / name / "records.jsonl").read_text().splitlines()]
    headers = [[(key, text.encode()) for key, text in line.get("headers", {}).items()] for line in lines]
    keys = [in_bytes(line.get("key")) for line in lines]
    values = [in_bytes(line["value"]) for line in lines]
    read = decoder(Shared(load(EXAMPLES / name / "lapse.yaml", {})))
    assert read.reads_headers == any(headers)
    return read.decode(values, np.full(len(lines), AT + HOUR), AT + HOUR, Metadata(keys, headers))


@pytest.mark.parametrize(
    ("name", "process", "users", "left"),
    [
        ("posthog", "checkout", ("ann", "bob"), {"ignored": 1, "blank": 1}),
        ("ga4-export", "checkout", ("ann", "bob"), {"ignored": 2, "blank": 0}),
        ("debezium", "order", ("49", "50"), {"ignored": 1, "blank": 1}),
        ("cloudevents-structured", "checkout", ("ann", "bob"), {"ignored": 2, "blank": 0}),
        ("cloudevents-binary", "checkout", ("ann", "bob"), {"ignored": 2, "blank": 0}),
    ],
)
def test_an_example_reads_who_started_and_who_finished(
    name: str, process: str, users: tuple[str, str], left: dict[str, int]
) -> None:
    found = decoded(name)
    first, second = users
    assert found.frame.drop("index", "written_at").rows() == [
        (first, process, Ending.NONE, "your blue lamp", AT),
        (second, process, Ending.NONE, None, AT + MINUTE),
        (second, process, Ending.COMPLETED, None, AT + 3 * MINUTE),
    ]
    assert {"ignored": found.ignored, "blank": found.blank} == left
    assert found.bad == []
