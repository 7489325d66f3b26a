"""The tables of docs/1msg.md and those of the code agree."""

import re
from pathlib import Path

from consumer.onemsg.error_classification import BY_TEXT, classify
from consumer.onemsg.error_table import BY_CODE
from consumer.onemsg.webhook import parser

PAGE = (Path(__file__).parents[2] / "docs" / "1msg.md").read_text(encoding="utf-8")


def rows(title: str) -> list[list[str]]:
    """The cells of a section's last table, without its head."""
    text = re.split(rf"^#+ {title}$", PAGE, flags=re.MULTILINE)[1].split("\n#", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]


def numbers(cell: str) -> set[int]:
    found = set(map(int, re.findall(r"(?<!–)\b\d+\b(?!–)", cell)))
    for first, last in re.findall(r"(\d+)–(\d+)", cell):
        found |= set(range(int(first), int(last) + 1))
    return found


def test_every_error_code_has_the_same_remedy_on_the_page_and_in_the_table() -> None:
    said = {code: cells[3] for cells in rows("Error codes") for code in numbers(cells[0])}
    assert said == {code: "template" if rule.template else rule.remedy.value for code, rule in BY_CODE.items()}


def test_every_source_of_the_table_is_a_source_of_the_page() -> None:
    labels = {label for rule in BY_CODE.values() for label in re.findall(r"\[([a-z0-9]+)\]", rule.source)}
    assert set() < labels <= set(re.findall(r"^\[(\w+)\]: ", PAGE, re.MULTILINE))


def test_every_error_text_of_the_page_is_read_as_its_code() -> None:
    found = [
        (text, *numbers(cells[1].split(",")[0]))
        for cells in rows("Error texts")
        for text in re.findall("`(.+?)`", cells[0])
    ]
    assert len(found) > 8
    assert [classify(None, text).code for text, _ in found] == [code for _, code in found]
    assert len(BY_TEXT) >= len(rows("Error texts"))


def test_every_status_of_the_page_is_read_as_it_says() -> None:
    for cells in rows("Message statuses"):
        for status in re.findall(r"`(\w+)`", cells[0]):
            report = parser.parse_status({"id": "wamid.A", "status": status})
            assert (report.progress.value if report else "nothing") == cells[1].split(":")[0]
