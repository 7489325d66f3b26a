"""docs/1msg.md#text-parameters: what WhatsApp refuses never gets there, and the rest stays readable."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.onemsg.templates.parameters import (
    BODY_LIMIT,
    PARAMETER_LIMIT,
    render,
    safe_parameter,
    shorten_to_fit,
    truncate,
    utf16_length,
)


@pytest.mark.parametrize(
    ("given_text", "safe"),
    [
        ("Maria", "Maria"),
        ("  Maria  ", "Maria"),
        ("Maria\nLuisa", "Maria Luisa"),
        ("Maria\r\n\t  Luisa", "Maria Luisa"),
        ("Maria     Luisa", "Maria Luisa"),
        ("Maria\u00a0\u2003\u3000Luisa", "Maria Luisa"),
        ("Maria\u2028Luisa\u2029", "Maria Luisa"),
        ("Ma\u200bri\u200da\ufeff", "Maria"),
        ("a \u200b b", "a b"),
        ("\u202eairaM\u202c", "airaM"),
        ("Ma\x00ri\x07a\x1b[31m", "Maria[31m"),
        ("Mar\u0131\u0301a", "Mar\u0131\u0301a"),
        ("Mari\u0301a", "María"),
        ("Half\ud800a pair", "Halfa pair"),
        ("Mar\ufffdia", "Maria"),
        ("名前", "名前"),
        ("محمد", "محمد"),
        ("O'Brien-Łukasz 3rd", "O'Brien-Łukasz 3rd"),
        ("👍🏽", "👍🏽"),
    ],
)
def test_parameter_is_one_visible_line(given_text: str, safe: str) -> None:
    assert safe_parameter(given_text) == safe


@pytest.mark.parametrize(
    "text",
    [None, "", " ", "\n\t", "\u200b\u200d", "\u202e\u202c", "\u3164", "\u2800\u2800", "\x00", "\u0301", "\ufe0f"],
)
def test_invisible_text_is_none(text: str | None) -> None:
    assert safe_parameter(text) is None


def test_a_name_of_5000_characters_is_cut_with_an_ellipsis() -> None:
    cut_name = safe_parameter("Maria " * 1000)
    assert cut_name is not None
    assert cut_name.endswith("…")
    assert utf16_length(cut_name) <= PARAMETER_LIMIT
    assert safe_parameter("x" * PARAMETER_LIMIT) == "x" * PARAMETER_LIMIT
    assert safe_parameter("x" * (PARAMETER_LIMIT + 1)) == "x" * (PARAMETER_LIMIT - 1) + "…"


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [
        ("ab\u0301\u0302cd", 5, "ab\u0301\u0302…"),
        ("ab\u0301\u0302cd", 4, "a…"),  # the b keeps its marks, or goes
        ("a👍🏽b", 4, "a…"),  # a hand is not parted from its colour
        ("a👍🏽bc", 6, "a👍🏽…"),
        ("🇪🇸🇫🇷", 7, "🇪🇸…"),  # nor half a flag left
        ("🇪🇸🇫🇷", 5, "🇪🇸…"),
        ("ab\u0915\u094d\u0937c", 5, "ab…"),  # a virama joins two letters
        ("one two", 5, "one…"),
        ("a" + "\u0301" * 50, 10, "a" + "\u0301" * 8 + "…"),  # one character longer than the limit
    ],
)
def test_truncation_keeps_visible_characters_whole(text: str, limit: int, kept: str) -> None:
    assert truncate(text, limit) == kept


@given(st.text(max_size=200))
def test_any_text_becomes_a_valid_parameter(text: str) -> None:
    safe = safe_parameter(text)
    if safe is None:
        return
    assert 0 < utf16_length(safe) <= PARAMETER_LIMIT
    assert safe == " ".join(safe.split())
    assert not any(unicodedata.category(character) in {"Cc", "Cs", "Co", "Zl", "Zp"} for character in safe)
    assert not set(safe) & set("\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2066\u2069\ufeff")
    assert safe.encode()
    assert safe_parameter(safe) == safe


@given(st.text(alphabet="a\u0301👍🏽🇪🇸\u094d\u0915 ", max_size=60), st.integers(1, 20))
def test_truncated_text_fits_and_is_a_prefix(text: str, limit: int) -> None:
    shorter = truncate(text, limit)
    assert utf16_length(shorter) <= limit
    assert text.startswith(shorter.removesuffix("…"))


BODY = "Hello, {{1}}! You have not yet completed {{2}}. Shall we go on, {{ 1 }}?"


def test_a_body_is_rendered_as_the_client_reads_it() -> None:
    said = render(BODY, ("Maria", "account setup"))
    assert said == "Hello, Maria! You have not yet completed account setup. Shall we go on, Maria?"


def test_placeholders_in_values_are_not_filled_in() -> None:
    assert render("{{1}} and {{2}}", ("{{2}}", "{{1}}")) == "{{2}} and {{1}}"


@pytest.mark.parametrize("body", ["{{3}}", "{{0}}", "{{name}}", "{{}}", "{{-1}}", "{{²}}", "{1}", "{{1"])
def test_a_variable_without_a_parameter_stays(body: str) -> None:
    assert render(body, ("Maria", "x")) == body


def test_parameters_that_fit_stay_as_they_are() -> None:
    assert shorten_to_fit(BODY, ("Maria", "account setup")) == ("Maria", "account setup")
    assert shorten_to_fit(BODY, ()) is None or shorten_to_fit("plain", ()) is None


def test_the_longest_parameter_is_shortened_until_the_body_fits() -> None:
    body = "x" * (BODY_LIMIT - 40) + "{{1}}{{2}}"
    shorter = shorten_to_fit(body, ("Maria", "a" * 60))
    assert shorter == ("Maria", "a" * 34 + "…")
    assert utf16_length(render(body, shorter)) == BODY_LIMIT


def test_a_template_that_leaves_no_room_cannot_be_filled() -> None:
    assert shorten_to_fit("x" * BODY_LIMIT + "{{1}}", ("Maria",)) is None


def test_length_counts_as_the_widest_way_of_counting_does() -> None:
    assert (utf16_length("abc"), utf16_length("é"), utf16_length("👍")) == (3, 1, 2)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("نیلوفر\u200cپور", "نیلوفر\u200cپور"),
        ("ශ්\u200dරී", "ශ්\u200dරී"),
        ("Maria \U0001f469\u200d\U0001f4bb", "Maria \U0001f469\u200d\U0001f4bb"),
        ("Ma\u200dria\u200c", "Maria"),
        ("\u200dනී", "නී"),
    ],
)
def test_joiners_stay_where_a_script_or_an_emoji_needs_them(text: str, kept: str) -> None:
    assert safe_parameter(text) == kept
