"""Times as people write them."""

import pytest
import typer

from consumer.clock import HOUR
from consumer.commands.terminal.time_arguments import format_time, parse_iso_time, parse_since

NOON = 1_774_785_600_000  # 2026-03-29T12:00:00Z


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-29T12:00:00Z",
        "2026-03-29 12:00",
        "2026-03-29T14:00:00+02:00",
        "20260329T120000Z",
        "2026-03-29T12:00:00.000",
    ],
)
def test_time_without_a_zone_is_utc(text: str) -> None:
    assert parse_iso_time(text) == NOON


@pytest.mark.parametrize("text", ["", "yesterday", "29.3.2026", "2026-02-30", "1774785600000"])
def test_text_that_is_no_time_is_none(text: str) -> None:
    assert parse_iso_time(text) is None


def test_first_and_last_year_of_the_calendar() -> None:
    assert (parse_iso_time("0001-01-01T00:00:00+23:59") or 0) < 0
    assert (parse_iso_time("9999-12-31T23:59:59-23:59") or 0) > NOON


def test_since_is_a_time_or_a_duration_ago() -> None:
    assert parse_since("2026-03-29T12:00Z", 0, "--since") == NOON
    assert parse_since("1.5h", NOON, "--since") == NOON - HOUR * 3 // 2
    with pytest.raises(typer.BadParameter, match="how long ago"):
        parse_since("recently", NOON, "--since")


def test_format_time_to_the_second() -> None:
    assert format_time(NOON + 999) == "2026-03-29 12:00:00"
