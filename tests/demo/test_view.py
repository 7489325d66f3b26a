"""What the demo shows, drawn from a snapshot."""

import io
from dataclasses import replace

from rich.console import Console

from consumer.demo.screen import say, screen
from consumer.demo.tally import Counts
from consumer.demo.view import Message, Places, Snapshot, line, picture

SNAPSHOT = Snapshot(
    elapsed=12_400,
    people=300,
    activities=1_804,
    counts=Counts(
        lapses=34,
        records=90,
        statuses={"read": 12, "accepted": 3, "suppressed": 6, "cancelled": 2, "brand_new": 1},
        reasons={("suppressed", "no_phone"): 2, ("suppressed", "no_opt_in"): 4, ("cancelled", "returned"): 2},
    ),
    accepted=17,
    messages=(
        Message(phone="+34 ••• ••12", text="Hello, Lucía! [bold]Still[/] there?", status="sent"),
        Message(phone="+48 ••• ••90", text="Hello, Łukasz! We kept your order.", status="read"),
    ),
    places=Places(web="http://127.0.0.1:8123", sandbox="http://127.0.0.1:8124/_sandbox/messages", log="lapse.log"),
)


def drawn(snapshot: Snapshot) -> str:
    console = Console(file=io.StringIO(), width=140, color_system=None)
    console.print(picture(snapshot))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_picture_shows_people_lapses_statuses_and_where_to_look() -> None:
    shown = drawn(SNAPSHOT)
    for words in ("300 people", "1804 activities", "34 lapses", "17 messages sent"):
        assert words in shown
    assert "12 read" in shown
    assert "4 no_opt_in" in shown
    assert "http://127.0.0.1:8123/metrics" in shown
    assert "http://127.0.0.1:8124/_sandbox/messages" in shown


def test_the_picture_shows_messages_as_clients_read_them_and_hides_their_phones() -> None:
    shown = drawn(SNAPSHOT)
    assert "Hello, Lucía! [bold]Still[/] there?" in shown
    assert "+34 ••• ••12" in shown
    assert shown.index("Łukasz") < shown.index("Lucía"), "the newest comes first"


def test_statuses_come_in_the_order_of_a_reminders_life_and_new_ones_last() -> None:
    shown = drawn(SNAPSHOT)
    places = [shown.index(word) for word in ("6 suppressed", "2 cancelled", "3 accepted", "12 read", "1 brand_new")]
    assert places == sorted(places)


def test_before_anything_happened_there_is_a_picture_too() -> None:
    empty = replace(
        SNAPSHOT, elapsed=0, counts=Counts(), accepted=0, messages=(), places=replace(SNAPSHOT.places, web="")
    )
    shown = drawn(empty)
    assert "none yet" in shown
    assert "(starting)" in shown


def test_without_a_terminal_the_sums_are_one_line() -> None:
    assert line(SNAPSHOT) == (
        " 12 s  300 people, 1804 activities, 34 lapses: 6 suppressed, 2 cancelled, 3 accepted, 12 read, 1 brand_new"
        " (not sent: 4 no_opt_in, 2 no_phone)"
    )


def test_without_a_terminal_a_line_comes_every_two_seconds_and_no_message_is_quoted_twice() -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    with screen(console) as show:
        for elapsed in (100, 350, 1_900, 2_100, 2_350):
            show(replace(SNAPSHOT, elapsed=elapsed))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert [text[:5] for text in lines] == ["  0 s", "     ", "  2 s"]
    assert lines[1].strip() == "+48 ••• ••90  Hello, Łukasz! We kept your order.  (read)"


def test_on_a_terminal_the_last_picture_stays() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=140)
    with screen(console) as show:
        show(SNAPSHOT)
    assert isinstance(console.file, io.StringIO)
    assert "messages sent" in console.file.getvalue()


def test_a_line_is_said_as_it_is() -> None:
    console = Console(file=io.StringIO(), width=20, force_terminal=False)
    say(console, "a long line with [brackets] in it and no break")
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "a long line with [brackets] in it and no break\n"
