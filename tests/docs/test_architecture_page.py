"""The tables of ARCHITECTURE.md are those of the code."""

import re
from pathlib import Path

from consumer.deliver.lifecycle import TRANSITIONS, Status
from consumer.deliver.policy.checks import CHECKS
from consumer.records import ReminderKind

PAGE = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text(encoding="utf-8")


def rows(title: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    text = PAGE.split(f"# {title}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]


def test_the_life_of_a_reminder_has_every_transition() -> None:
    told = {Status(cells[0].strip("`")): set(re.findall(r"\w+", cells[2])) for cells in rows("Life of a reminder")}
    assert told == {status: {after.value for after in following} for status, following in TRANSITIONS.items()}


def test_the_checks_stand_in_their_order() -> None:
    assert [cells[0].strip("`") for cells in rows("Checks")] == [check.__name__ for check in CHECKS]


def test_every_kind_of_reminder_record_is_named() -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith("| `reminders`"))
    assert {kind.value for kind in ReminderKind} <= set(re.findall(r"[A-Z]{2,}", row))
