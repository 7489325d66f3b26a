"""Names that are names, and texts that only stand where a name should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.deliver.policy.personal_text import usable_action, usable_name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Maria",
            "O'Brien",
            "Anne-Marie",
            "José María",
            "Dr. House",
            "Dr.House",
            "J.R. Smith",
            "St.John",
            "Li",
            "Na",
            "Nan",
        ),
        *(
            "Дмитрий",
            "نیلوفر‌پور",
            "ශ්‍රී",
            "李小龍",
            "Maria 👩‍💻",
            "Jr.",
            "Henry VIII",
            "Sra. López",
            "Ali Jr",
            "X Æ A-12",
            "Louis XIV.",
        ),
        *("Agent 007", "B2B Team", "Müller & Söhne", "d'Artagnan", "Nguyễn Văn A", "M. Dupont"),
    ],
)
def test_a_name(name: str) -> None:
    assert usable_name(f" {name} ") == name


@pytest.mark.parametrize(
    "text",
    [
        *(
            "NULL",
            "undefined",
            "None",
            "N/A",
            "NaN",
            "[object Object]",
            "unknown",
            "first_name",
            "-",
            ".",
            "???",
            "👍",
            "12",
        ),
        *(
            "{{contact.first_name}}",
            "${name}",
            "%FIRSTNAME%",
            "*|FNAME|*",
            "<name>",
            "[First Name]",
            "{% name %}",
            "{name}",
        ),
        *("O&#39;Brien", "Fran&ccedil;ois", "<b>Maria</b>", "Maria<br>"),
        *(
            "https://evil.example/x",
            "Maria. Account locked: evil.example/x",
            "www.evil.example",
            "evil.example",
            "bit.ly/abc",
        ),
        *("Evil.Example", "maria@evil.example", "10.0.0.1", "wa.me/34600111222", "EVIL.EXAMPLE now"),
        *("Call 0034600111222", "600 111 222 1", "+34 600-111-222", "code 12345"),
        *("*URGENT*", "_Maria_", "~Maria~", "`Maria`", "> Maria", "first_name", "a|b"),
        *("", "   "),
    ],
)
def test_no_name(text: str) -> None:
    assert usable_name(text) is None


@pytest.mark.parametrize(
    "action", ["your order", "account setup", "the form (step 2 of 3)", "order 1234", "Ihr Antrag", "注文"]
)
def test_an_action(action: str) -> None:
    assert usable_action(action) == action


@pytest.mark.parametrize(
    "text", ["your order at evil.example", "pay to 0034600111222", "{{action}}", "*now*", "null", None]
)
def test_no_action(text: str | None) -> None:
    assert usable_action(text) is None


def test_how_strict_is_configured() -> None:
    assert usable_name("Room 12345", "links") == "Room 12345"
    assert usable_name("evil.example", "links") is None
    assert usable_name("evil.example", "off") == "evil.example"
    assert usable_action("order 1234567", "links") == "order 1234567"


@given(st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    assert usable_name(text) in {None, text.strip()}
    assert usable_action(text) in {None, text.strip()}
