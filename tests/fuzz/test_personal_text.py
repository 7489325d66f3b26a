"""Whatever somebody calls themselves, what goes out is one visible line without links, or nothing."""

import re
import unicodedata
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from consumer.deliver.policy.opt_out_requests import plain_words
from consumer.deliver.policy.personal_text import usable_action, usable_name
from consumer.deliver.policy.record_bounds import text_problem
from consumer.onemsg.templates.parameters import PARAMETER_LIMIT, render, safe_parameter, shorten_to_fit, utf16_length
from consumer.web.console.rendering import Renderer
from consumer.web.session import Session

MARKS = "\u202e\u2066\u200b\ufeff\0\n\r\t\x1b\u00ad"
ODD = f"ab. /:@*_~`<>{{}}0123456789{MARKS}"
texts = st.text(max_size=60) | st.text(ODD, max_size=40) | st.text("é👍🏽\u0301🇪🇸", max_size=30)
PAGES = Renderer()
FRAME: dict[str, Any] = {
    "path": "/",
    "here": "/",
    "session": Session("ana", 0, "id"),
    "form_token": "",
    "asks_for_token": False,
    "said": "",
    "has_ledger": True,
}
"""What every page shows around its content."""
LINK = re.compile(r"://|www\.|[a-z0-9-]+\.(com|org|net|io|me)/", re.IGNORECASE)


@given(texts)
def test_any_name_is_one_visible_line_or_none(text: str) -> None:
    for usable in (usable_name, usable_action):
        found = usable(text)
        if found is None:
            continue
        assert not LINK.search(found)
        assert found == safe_parameter(text)
        assert utf16_length(found) <= PARAMETER_LIMIT
        assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in found)


@given(texts, texts)
def test_any_two_texts_fill_a_template_or_do_not_fit(name: str, action: str) -> None:
    body = "Hello, {{1}}! You have not completed {{2}}."
    fitting = shorten_to_fit(body, (name, action))
    if fitting is not None:
        assert utf16_length(render(body, fitting)) <= 1_024
    assert "{{3}}" not in render(body, ("a", "b"))


@example("𝐒𝐓𝐎𝐏")
@given(texts)
def test_any_answer_becomes_plain_words(text: str) -> None:
    assert plain_words(text) == plain_words(plain_words(text))
    assert plain_words(text) == plain_words(text).casefold()


@given(st.text(st.characters(exclude_categories=[]), max_size=300))
def test_any_id_can_be_stored_or_is_refused(text: str) -> None:
    if text_problem("user_id", text) is None:
        assert len(text.encode()) <= 255
        assert "\0" not in text


@given(texts)
def test_any_detail_is_shown_harmlessly(text: str) -> None:
    before, after = (bytes(PAGES.page("problem.html", **FRAME, words=words).body).decode() for words in ("", text))
    shown = after[before.index('<p class="verdict bad">') :]
    assert after.count("<") == before.count("<")
    assert not any(mark in shown for mark in "\u202e\u2066\u200b\ufeff\0\x1b")
