"""Changes of the schemas that break a reader are found; those that do not are let through."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.check_schemas import SCHEMAS, problems

Change = Callable[[dict[str, Any]], object]


def changed(tmp_path: Path, name: str, change: Change) -> list[str]:
    """Return what is said once this schema was changed."""
    copy = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, copy)
    schema = json.loads((copy / f"{name}.avsc").read_text())
    change(schema)
    (copy / f"{name}.avsc").write_text(json.dumps(schema))
    return list(problems(copy))


def field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return next(field for field in schema["fields"] if field["name"] == name)


def test_the_schemas_fit_those_of_the_last_release() -> None:
    assert list(problems()) == []


def test_a_new_field_with_a_default_and_a_new_symbol_break_nobody(tmp_path: Path) -> None:
    def change(schema: dict[str, Any]) -> None:
        schema["fields"].append({"name": "more", "type": ["null", "string"], "default": None})
        field(schema, "status")["type"]["symbols"].append("answered")

    assert changed(tmp_path, "delivery_status", change) == []


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (
            "delivery_status",
            lambda schema: schema["fields"].append({"name": "more", "type": "string"}),
            "delivery_status.avsc cannot read what the last release wrote: more",
        ),
        (
            "delivery_status",
            lambda schema: schema["fields"].remove(field(schema, "reason")),
            "delivery_status.avsc: the field reason was released, and is gone",
        ),
        (
            "delivery_status",
            lambda schema: field(schema, "sequence").update(type="string"),
            "delivery_status.avsc cannot read what the last release wrote: reader type: string not compatible",
        ),
        (
            "contact",
            lambda schema: field(schema, "user_id").update(type=["null", "string"]),
            "the last release's contact.avsc cannot read what this one writes: reader type: string not compatible",
        ),
        (
            "user_activity",
            lambda schema: field(schema, "kind")["type"]["symbols"].remove("CANCELLED"),
            "user_activity.avsc: the symbol CANCELLED of kind was released, and is gone",
        ),
    ],
    ids=["no default", "field removed", "another type", "null where none was", "symbol removed"],
)
def test_a_change_that_breaks_a_reader_is_named(tmp_path: Path, name: str, change: Change, said: str) -> None:
    assert any(line.startswith(said) for line in changed(tmp_path, name, change))


def test_a_schema_that_is_gone_is_named(tmp_path: Path) -> None:
    copy = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, copy)
    (copy / "opt_out.avsc").unlink()
    assert "opt_out.avsc was released, and is gone" in list(problems(copy))
