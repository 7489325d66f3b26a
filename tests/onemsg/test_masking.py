"""Masking a provider's text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.onemsg.masking import MAX_CHARACTERS, hide_texts, mask_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Sent to 15551230000@c.us", "Sent to …"),
        ("number +1 (555) 123-0000 unknown", "number … unknown"),
        ("number +34 600 111 222.", "number …."),
        ("٣٤٦٠٠١١١٢٢٢", "…"),
        ("code 131047 (#132000)", "code 131047 (#132000)"),
        ('Wrong token "abc" for channel "CH1"', 'Wrong token… for channel "CH1"'),
        ("?token=abc&x=1", "?token…&x=1"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer …"),
        ("key eyJhbGciOiJub25lIn0.eyJpIjoxfQ.c2ln bad", "key … bad"),
        ("write to maria@example.com", "write to …"),
        ("id wamid.HBgLMTU1NTEyMzAwMDAVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA= gone", "id wamid.… gone"),
        (
            "template inactivity_reminder_for_everybody is paused",
            "template inactivity_reminder_for_everybody is paused",
        ),
        ("two\nlines\x00\u2028here", "two lines here"),
        ("half \ud800 a pair", "half a pair"),
        ("", ""),
    ],
)
def test_numbers_and_credentials_are_masked_and_the_rest_stays(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def test_given_texts_are_hidden_in_any_case() -> None:
    assert mask_text("Dear maria, (MARIA LUISA)", ("Maria", "Maria Luisa")) == "Dear …, (…)"
    assert mask_text("to be", ("to", "")) == "to be"  # too short to be told from any other word


@pytest.mark.parametrize("name", ["علی\u200cرضا", "ශ්\u200dරී", "Ana\u00a0María"])
def test_a_name_with_what_cannot_be_printed_is_hidden_before_and_after(name: str) -> None:
    text = f"bad parameter {name}!"
    assert mask_text(text, [name]) == hide_texts(mask_text(text), [name]) == "bad parameter …!"
    assert hide_texts(text, [name]) == "bad parameter …!"


def test_long_text_is_cut() -> None:
    assert len(mask_text("word " * 10_000)) == MAX_CHARACTERS


@given(
    st.text(max_size=400) | st.text(alphabet="0123456789 +-()./a@\n٣", max_size=80),
    st.lists(st.text(min_size=3, max_size=10), max_size=3),
)
def test_any_text_becomes_one_line_without_numbers(text: str, hide: list[str]) -> None:
    shown = mask_text(text, hide)
    assert len(shown) <= MAX_CHARACTERS
    assert not re.search(r"\d{7}", shown)
    assert "\n" not in shown
    assert not re.search("[\x00\ud800-\udfff]", shown)
    assert shown.isprintable()


@pytest.mark.parametrize("piece", ["a", "1", "a1", "@", "-", "a@", "token", "eyJ", " ", "(1) ", "template "])
def test_long_text_is_masked_quickly(piece: str) -> None:
    """A regular expression that tries everything would not come back from these."""
    assert len(mask_text(piece * 100_000)) <= MAX_CHARACTERS
