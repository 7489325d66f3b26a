"""Makes template parameters safe (docs/1msg.md#limits-and-policy, text parameters), and renders a template's body."""

import re
import unicodedata
from collections.abc import Sequence

from consumer.onemsg.templates.listing import VARIABLE

PARAMETER_LIMIT = 60
"""The longest parameter, as in a WhatsApp header. Names and actions are shorter, and two of these leave nine tenths of
the body's 1024 characters to the template."""

BODY_LIMIT = 1024
"""The longest body after substitution (docs/1msg.md#text-parameters)."""

_MAX_INPUT_CHARACTERS = 1_000  # no name is longer, and a longer look would only cost time
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufdd0-\ufdef\ufffe\uffff\ufffd]")
"""Letters and marks that are invisible, and the replacement for a lost character."""

_JOINERS = "\u200c\u200d"
_LOOSE_JOINER = re.compile(rf"(?<![^\x00-\u02ff{_JOINERS}])[{_JOINERS}]|[{_JOINERS}](?![^\x00-\u02ff{_JOINERS}])")
"""A zero-width (non-)joiner belongs to Sinhala, Persian or Indic words and to emoji, so it is kept between characters
beyond Latin, and removed anywhere else."""

_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs"})
_WRITTEN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2")  # format characters that are visible
_ELLIPSIS = "…"


def safe_parameter(text: str | None) -> str | None:
    """Return `text` on one line, without invisible, control and direction characters, at most 60 long.

    None if nothing readable is left. Longer texts are cut between two visible characters and end in an ellipsis. Length
    is counted in UTF-16 units, the largest of all ways to count characters.
    """
    cleaned = unicodedata.normalize("NFC", "".join(map(_visible_or_empty, (text or "")[:_MAX_INPUT_CHARACTERS])))
    line = _LOOSE_JOINER.sub("", " ".join(_BLANK.sub("", cleaned).split()))
    return truncate(line, PARAMETER_LIMIT) or None if any(map(_is_visible, line)) else None


def truncate(text: str, limit: int) -> str:
    """Return `text`, or as much of it as fits into `limit` with an ellipsis at its end."""
    if utf16_length(text) <= limit:
        return text
    end = _fitting_characters(text, limit - 1)
    whole = end
    while whole > 0 and not _is_boundary(text, whole):
        whole -= 1
    kept = text[: whole or end].rstrip()  # one "character" that is longer than the limit is cut inside
    return kept + _ELLIPSIS if kept else ""


def utf16_length(text: str) -> int:
    """Return the length in UTF-16 units."""
    return len(text) + sum(character > "\uffff" for character in text)


def render(body: str, params: Sequence[str]) -> str:
    """Return a template's body with `params` in place of {{1}}, {{2}} …; variables without a parameter stay."""

    def value(found: re.Match[str]) -> str:
        name = found[1].strip()
        number = int(name) if re.fullmatch(r"[1-9]\d?", name, re.ASCII) else 0
        return params[number - 1] if 0 < number <= len(params) else found[0]

    return VARIABLE.sub(value, body)


def shorten_to_fit(body: str, params: Sequence[str]) -> tuple[str, ...] | None:
    """Return `params`, with the longest shortened if the body would be too long; None if that is not enough."""
    for limit in range(max(map(utf16_length, params), default=0), 0, -1):
        shorter = tuple(truncate(param, limit) for param in params)
        if all(shorter) and utf16_length(render(body, shorter)) <= BODY_LIMIT:
            return shorter
    return None


def _visible_or_empty(character: str) -> str:
    if character.isspace():
        return " "
    unseen = unicodedata.category(character) in _UNSEEN and character not in _WRITTEN and character not in _JOINERS
    return "" if unseen else character


def _is_visible(character: str) -> bool:
    """Return whether the character is visible without another one that it modifies."""
    return unicodedata.category(character)[0] not in "MZ"


def _fitting_characters(text: str, limit: int) -> int:
    """Return how many characters of `text` fit into `limit` UTF-16 units."""
    used = 0
    for index, character in enumerate(text):
        used += 2 if character > "\uffff" else 1
        if used > limit:
            return index
    return len(text)


def _is_boundary(text: str, at: int) -> bool:
    """Return whether a visible character ends at `at`: a simple form of Unicode's grapheme rules (UAX 29)."""
    before, after = text[at - 1], text[at]
    if unicodedata.category(after) in ("Mn", "Mc", "Me") or after in "\u0e33\u0eb3":
        return False
    if "\U0001f3fb" <= after <= "\U0001f3ff":  # a skin tone
        return False
    if unicodedata.combining(before) == 9:  # a virama joins what follows
        return False
    flags = len(text[:at]) - len(text[:at].rstrip(_FLAG_LETTERS))
    return not (after in _FLAG_LETTERS and flags % 2)


_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
