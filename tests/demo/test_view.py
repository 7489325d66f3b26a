"""What the demo shows, made from a snapshot."""

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from consumer.deliver.lifecycle import Status
from consumer.demo.verdict import Evidence
from consumer.demo.view import Snapshot, picture, say, screen, summary
from tests.statuses import delivery_status

HELLO = "We noticed you have not yet completed your document upload. If you would like to continue, we are ready."
MESSAGES = [
    {"id": "m1", "phone": "34612345612", "text": f"Hello, Lucía! [bold]Still[/] there? {HELLO}", "status": "sent"},
    {"id": "m2", "phone": "48512345690", "text": f"Hello, Łukasz! {HELLO}", "status": "read"},
]


def funnel(counts: dict[tuple[str, str | None], int], sent: int = 0) -> dict[str, Any]:
    """What the console's /api/funnel tells of these reminders, as far as it is shown."""
    steps = [{"requested": count, "sent": 0} for count in counts.values()] + [{"requested": 0, "sent": sent}]
    rows = [{"status": status, "reason": reason, "count": count} for (status, reason), count in counts.items()]
    return {"steps": steps, "statuses": rows}


FUNNEL = funnel(
    {
        ("read", None): 12,
        ("accepted", None): 3,
        ("suppressed", "no_phone"): 2,
        ("suppressed", "no_opt_in"): 4,
        ("cancelled", "returned"): 2,
        ("brand_new", None): 1,
    },
    sent=15,
)
SNAPSHOT = Snapshot(12_400, 300, 1_804, FUNNEL, {"accepted": 17, "messages": MESSAGES})
EMPTY = Snapshot(0, 300, 0, funnel({}), {"accepted": 0, "messages": []})
TITLE = "Lapse: http://127.0.0.1:8123/"


def drawn(snapshot: Snapshot, height: int = 24, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(picture(snapshot, TITLE, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_picture_has_the_consoles_address_the_sums_and_every_status() -> None:
    shown = drawn(SNAPSHOT)
    assert TITLE in shown
    assert "12 s  300 people, 1804 activities, 24 lapses, 15 sent" in shown
    assert "12  read        the client read it" in shown
    assert "6  suppressed  4 no_opt_in, 2 no_phone" in shown


def test_the_picture_has_messages_as_clients_read_them_and_hides_their_phones() -> None:
    shown = drawn(SNAPSHOT, width=200)
    assert "Hello, Lucía! [bold]Still[/] there?" in shown
    assert "+34 ••• ••12  sent" in shown
    assert shown.index("Łukasz") < shown.index("Lucía"), "the newest comes first"


def test_statuses_come_in_the_order_of_a_reminders_life_and_new_ones_last() -> None:
    shown = drawn(SNAPSHOT)
    places = [shown.index(word) for word in (" suppressed ", " cancelled ", " accepted ", " read ", " brand_new ")]
    assert places == sorted(places)


def test_every_status_of_a_reminder_has_a_meaning() -> None:
    for status in Status:
        assert re.search(rf" 1  {status} +\w", drawn(replace(SNAPSHOT, funnel=funnel({(status, None): 1}))))


@pytest.mark.parametrize("height", [24, 50])
def test_the_picture_is_whole_at_eighty_columns_and_fits_into_the_terminal(height: int) -> None:
    statuses = ("deferred", "suppressed", "cancelled", "accepted", "sent", "delivered", "read", "failed")
    counts = funnel({(status, None): 123 for status in statuses})
    many = replace(SNAPSHOT, funnel=counts, taken={"accepted": 99_999, "messages": MESSAGES * 10})
    shown = drawn(many, height)
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) == 80
    assert height - 3 <= len(shown.splitlines()) <= height


def test_reasons_that_need_two_rows_stay_in_their_column() -> None:
    names = ("no_opt_in", "no_phone", "bad_phone", "no_name", "unreachable", "opted_out")
    shown = drawn(replace(SNAPSHOT, funnel=funnel({("suppressed", name): 100 for name in names})))
    first, second = (row.index("100") for row in shown.splitlines() if "100 " in row)
    assert first == second


def test_before_anything_happened_there_is_a_picture_too() -> None:
    shown = drawn(EMPTY)
    for words in ("300 people, 0 activities, 0 lapses, 0 sent", "nobody has been quiet", "none yet"):
        assert words in shown


def test_without_a_terminal_there_are_lines_with_the_newest_message() -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    with screen(console, TITLE) as show:
        show(EMPTY)
        show(SNAPSHOT)
    assert isinstance(console.file, io.StringIO)
    sums = "300 people, 1804 activities, 24 lapses, 15 sent"
    assert console.file.getvalue().splitlines() == [
        "  0 s  300 people, 0 activities, 0 lapses, 0 sent",
        f" 12 s  {sums}: 6 suppressed, 2 cancelled, 3 accepted, 12 read, 1 brand_new",
        f"       +48 ••• ••90  read: Hello, Łukasz! {HELLO}",
    ]


def test_on_a_terminal_the_last_picture_stays() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    with screen(console, TITLE) as show:
        show(SNAPSHOT)
    assert isinstance(console.file, io.StringIO)
    assert "15 sent" in console.file.getvalue()


def test_text_is_said_as_it_is() -> None:
    console = Console(file=io.StringIO(), width=20, force_terminal=False)
    say(console, "a long line with [brackets] in it and no break")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "a long line with [brackets] in it and no break\n"


def test_the_summary_has_the_sums_and_says_that_all_is_well() -> None:
    counts = funnel({("suppressed", "no_opt_in"): 3, ("read", None): 1}, sent=1)
    last = replace(SNAPSHOT, funnel=counts, taken={"accepted": 1, "messages": MESSAGES[:1]})
    records = [delivery_status(status=status, message_id="m1") for status in ("accepted", "read")]
    assert summary(last, Evidence(records, last.taken, frozenset()), 6_240, ()).splitlines() == [
        " 12 s  300 people, 1804 activities, 4 lapses, 1 sent. Where reminders stand:",
        "    3  suppressed  3 no_opt_in",
        "    1  read        the client read it",
        "Messages taken by 1MSG (the sandbox): 1; named in the 2 records of delivery-status: 1",
        "The first message was taken 6.2 s after the start",
        "",
        "Reminders went out, their statuses were read back, none was sent twice, none to a wrong number.",
    ]


def test_the_summary_names_everything_that_was_missing() -> None:
    seen = Evidence([], EMPTY.taken, frozenset())
    assert summary(EMPTY, seen, None, ("no message was sent", "the sky fell")).splitlines()[-3:] == [
        "The demo did not show what it should:",
        "  - no message was sent",
        "  - the sky fell",
    ]
