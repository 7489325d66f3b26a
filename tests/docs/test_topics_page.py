"""What docs/topics.md says is what the code does."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.avro_schema import schema_text
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SystemClock
from consumer.deliver.lifecycle import SILENT, Status, StatusSource
from consumer.records import EMAIL, WEBHOOK, WHATSAPP, Contact, DeliveryStatus, UserActivity
from tests.statuses import delivery_status

PAGE = (Path(__file__).parents[2] / "docs" / "topics.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"# {title}\n", 1)[1].split("\n#", 1)[0]


def first_column(text: str) -> set[str]:
    return {name for cell in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)}


def test_the_documented_decoder_reads_what_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0], names)
    record = delivery_status(user_id="maria", sequence=3, status="read", final=True)
    codec = RecordCodec(WriterSchemas(SystemClock()))
    found = names["decode"](codec.encode(record, "delivery-status"))
    assert (found["user_id"], found["sequence"], found["status"], found["final"]) == ("maria", 3, "read", True)


@pytest.mark.parametrize(
    ("field", "values"), [("status", Status), ("source", StatusSource), ("medium", (WHATSAPP, EMAIL, WEBHOOK))]
)
def test_schema_has_a_symbol_for_each_value(field: str, values: Iterable[str]) -> None:
    """The record has them as texts: without its symbol a value could not be published."""
    types = {each["name"]: each["type"] for each in json.loads(schema_text(DeliveryStatus))["fields"]}
    assert set(types[field]["symbols"]) == {*map(str, values), "other"}


def test_every_field_of_delivery_status_is_explained() -> None:
    assert first_column(section("Reading delivery-status")) == set(DeliveryStatus.__dataclass_fields__)


def test_every_published_status_and_source_is_explained() -> None:
    assert first_column(section("Statuses")) == {status.value for status in Status if status not in SILENT}
    row = next(line for line in PAGE.splitlines() if line.startswith("| `source`"))
    assert {source.value for source in StatusSource} <= set(re.findall(r"`(\w+)`", row))


@pytest.mark.parametrize(("title", "record"), [("user-activity", UserActivity), ("contacts", Contact)])
def test_every_field_that_others_write_is_explained(title: str, record: type[UserActivity | Contact]) -> None:
    assert first_column(section(f"Writing {title}")) == set(record.__dataclass_fields__)
