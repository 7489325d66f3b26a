"""Which seen message belongs to which attempt: only a pair without an alternative."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from consumer.clock import MINUTE, SECOND
from consumer.deliver.tracking.message_matching import MAX_DELAY_MS, MAX_LAG_MS, OpenAttempt, SeenMessage, matches
from consumer.records import WHATSAPP

T0 = 1_767_571_200_000
MARIA, OTHER = "hash of maria", "hash of another"
TEXT, OTHER_TEXT = "hash of her text", "hash of another text"


def attempt(name: str, phone: str = MARIA, at: int = T0, text: str | None = TEXT) -> OpenAttempt:
    return OpenAttempt(name, WHATSAPP, 1, at, phone, text, at)


def message(name: str, phone: str = MARIA, at: int = T0 + SECOND, text: str = TEXT) -> SeenMessage:
    return SeenMessage(name, phone, text, at, "echo", at)


def names(attempts: list[OpenAttempt], messages: list[SeenMessage]) -> list[tuple[str, str]]:
    return [(a.reminder_id, m.message_id) for a, m in matches(attempts, messages)]


def test_one_message_and_one_attempt_match() -> None:
    assert names([attempt("a")], [message("m")]) == [("a", "m")]


def test_two_messages_for_one_attempt_match_nothing() -> None:
    assert names([attempt("a")], [message("m"), message("n")]) == []


def test_two_attempts_for_one_message_match_nothing() -> None:
    assert names([attempt("a"), attempt("b", at=T0 + MINUTE)], [message("m", at=T0 + MINUTE)]) == []


def test_ambiguity_in_one_chat_does_not_affect_another() -> None:
    attempts = [attempt("a"), attempt("b"), attempt("c", OTHER)]
    assert names(attempts, [message("m"), message("n", OTHER)]) == [("c", "n")]


@pytest.mark.parametrize(
    ("at", "fits"),
    [(T0 - MAX_LAG_MS - 1, False), (T0 - MAX_LAG_MS, True), (T0 + MAX_DELAY_MS, True), (T0 + MAX_DELAY_MS + 1, False)],
)
def test_time_window_of_a_match(at: int, fits: bool) -> None:
    assert bool(names([attempt("a")], [message("m", at=at)])) is fits


def test_only_the_message_with_the_text_matches() -> None:
    assert names([attempt("a")], [message("m", text=OTHER_TEXT), message("n")]) == [("a", "n")]
    assert names([attempt("a")], [message("m", text=OTHER_TEXT)]) == []


def test_attempt_without_a_text_matches_nothing_and_leaves_the_chat_open() -> None:
    assert names([attempt("a", text=None)], [message("m")]) == []
    assert names([attempt("a", text=None), attempt("b")], [message("m")]) == []
    assert names([attempt("a", text=OTHER_TEXT), attempt("b")], [message("m")]) == []


@given(
    st.lists(st.tuples(st.sampled_from([MARIA, OTHER]), st.integers(0, 20)), max_size=6),
    st.lists(st.tuples(st.sampled_from([MARIA, OTHER]), st.integers(0, 20)), max_size=6),
)
def test_no_message_or_attempt_is_matched_twice(tried: list[tuple[str, int]], seen: list[tuple[str, int]]) -> None:
    attempts = [attempt(f"a{n}", phone, T0 + minute * MINUTE) for n, (phone, minute) in enumerate(tried)]
    messages = [message(f"m{n}", phone, T0 + minute * MINUTE) for n, (phone, minute) in enumerate(seen)]
    found = names(attempts, messages)
    assert len({a for a, _ in found}) == len({m for _, m in found}) == len(found)
