"""Names that are names, and texts that only stand where a name should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.deliver.policy.personal_text import usable_action, usable_name
from consumer.onemsg.templates.parameters import safe_parameter


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
            "J.Smith",
            "M.García Lopez",
            "J.R. Smith",
            "St.John",
            "Li",
            "Na",
            "Nan",
            "Ana Null",
            "Ana None",
            "Guest",
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
            "null null",
            "Ana undefined",
            "María NULL",
            "None None",
            "False",
            "(none)",
            "((name))",
            "%%FirstName%%",
            "$name",
            "Sin nombre",
            "Customer",
            "javascript:alert(1)",
            "http:evil",
            "tel:5551234",
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


@pytest.mark.parametrize(
    "text",
    [
        *("evil\u200b.com/x", "evil.\u00adcom", "evil.\u200ccom", "evil.\u200dcom", "evil.\ufffdcom", "evil.\u115fcom"),
        *(
            "wa\u200b.me/34612",
            "w\u200bww.evil",
            "h\u200bttps:/\u200b/evil",
            "*\u200bbold*",
            "{\u200b{1}}",
            "\u200bnull",
        ),
        *("call 612\u3164345\u3164678 Ana", "Ana +34\u20606\u20601\u20602\u20603\u20604\u20605"),
    ],
)
def test_what_an_invisible_character_hides(text: str) -> None:
    assert usable_name(text) is None
    assert usable_action(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "evil.com.",
            "go to evil.com. Now",
            "evil.com…",
            "evil.com_",
            "evil.com2",
            "_evil.com",
            "x.co",
            "X.Com",
            "j.shop",
            "J.Shop/offer",
            "J.Smith.com",
            "win at t.me",
        ),
        *(
            "mr.xyz",
            "Dr.House.com",
            "evil\uff0ecom",
            "\uff45vil\u2024com",
            "evil\uff61com",
            "evil\u3002com",
            "ana\uff20evil",
        ),
        "paid at evil.com" + " and much more" * 9,
    ],
)
def test_a_link_in_other_words(text: str) -> None:
    assert usable_name(text, "links") is None
    assert usable_action(text, "links") is None


@pytest.mark.parametrize(
    "number",
    [
        *(
            "612/345/678",
            "612·345·678",
            "612–345–678",
            "612,345,678",
            "612\u2011345\u2011678",
            "612 👍 345 👍 678",
            "6①2③4⑤6",
        ),
        *("6\ufe0f\u20e31\ufe0f\u20e32\ufe0f\u20e33\ufe0f\u20e34\ufe0f\u20e35\ufe0f\u20e36\ufe0f\u20e3", "𝟔𝟏𝟐𝟑𝟒𝟓"),
        *("12/05/2026 612 345 6", "12/05/2026 13/05/2026", "41/52/6312"),
    ],
)
def test_a_number_however_it_is_grouped(number: str) -> None:
    assert usable_action(f"call {number}") is None
    assert usable_action(f"call {number}", "links") == f"call {number}"


@pytest.mark.parametrize("date", ["12/05/2026", "12.05.2026", "2026-05-12", "12/05/26, 10:30"])
def test_a_date_is_no_number_to_call(date: str) -> None:
    assert usable_action(f"the visit on {date}") == f"the visit on {date}"


@given(st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    assert usable_name(text) in {None, safe_parameter(text)}
    assert usable_action(text) in {None, safe_parameter(text)}
