"""Template parameters made safe (contract §11, text parameters), and a template's text as the client will read it."""

import re
import unicodedata
from collections.abc import Sequence

from consumer.onemsg.templates.listing import VARIABLE

PARAMETER_LIMIT = 60
"""Length of one parameter: what WhatsApp allows a header. Real names and actions are shorter, and two of these leave
nine tenths of the body's 1024 to the template."""

BODY_LIMIT = 1024
"""Length of a body after substitution [S43, S44]."""

_READ = 10_000  # nobody is called by more
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufdd0-\ufdef\ufffe\uffff\ufffd]")
"""Letters and marks that show nothing, and what stands for a character that was lost."""

_JOINERS = "\u200c\u200d"
_LOOSE_JOINER = re.compile(rf"(?<![^\x00-\u02ff{_JOINERS}])[{_JOINERS}]|[{_JOINERS}](?![^\x00-\u02ff{_JOINERS}])")
"""A zero-width (non-)joiner is part of Sinhala, Persian or Indic words and of emoji, so it stays between characters
beyond Latin; anywhere else it only hides."""

_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs"})
_WRITTEN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2")  # format characters that do show
_ELLIPSIS = "…"


def safe_parameter(text: str | None, limit: int = PARAMETER_LIMIT) -> str | None:
    """`text` on one line, without invisible, control and direction characters, at most `limit` long.

    None if nothing is left to read. Longer texts end in an ellipsis and are cut between two characters as people
    see them. Length is counted in UTF-16 units, which no other way of counting characters exceeds.
    """
    cleaned = unicodedata.normalize("NFC", "".join(map(_kept, (text or "")[:_READ])))
    line = _LOOSE_JOINER.sub("", " ".join(_BLANK.sub("", cleaned).split()))
    return truncate(line, limit) or None if any(map(_shows, line)) else None


def truncate(text: str, limit: int) -> str:
    """`text`, or as much of it as fits into `limit` with an ellipsis at its end."""
    if utf16_length(text) <= limit:
        return text
    end = _fitting(text, limit - 1)
    whole = end
    while whole > 0 and not _may_part(text, whole):
        whole -= 1
    kept = text[: whole or end].rstrip()  # (one "character" longer than the limit is cut somewhere inside)
    return kept + _ELLIPSIS if kept else ""


def utf16_length(text: str) -> int:
    """In UTF-16 units."""
    return len(text) + sum(character > "\uffff" for character in text)


def render(body: str, params: Sequence[str]) -> str:
    """A template's body with `params` in place of {{1}}, {{2}} …; variables without a parameter stay."""

    def value(found: re.Match[str]) -> str:
        number = int(found[1]) if re.fullmatch(r"[1-9]\d?", found[1], re.ASCII) else 0
        return params[number - 1] if 0 < number <= len(params) else found[0]

    return VARIABLE.sub(value, body)


def shorten_to_fit(body: str, params: Sequence[str]) -> tuple[str, ...] | None:
    """`params`, the longest of them shortened where the body would be too long; None if nothing helps."""
    for limit in range(max(map(utf16_length, params), default=0), 0, -1):
        shorter = tuple(truncate(param, limit) for param in params)
        if all(shorter) and utf16_length(render(body, shorter)) <= BODY_LIMIT:
            return shorter
    return None


def _kept(character: str) -> str:
    if character.isspace():
        return " "
    unseen = unicodedata.category(character) in _UNSEEN and character not in _WRITTEN and character not in _JOINERS
    return "" if unseen else character


def _shows(character: str) -> bool:
    """Whether there is something to see without another character to put it on."""
    return unicodedata.category(character)[0] not in "MZ"


def _fitting(text: str, limit: int) -> int:
    """How many characters of `text` fit into `limit` UTF-16 units."""
    used = 0
    for index, character in enumerate(text):
        used += 2 if character > "\uffff" else 1
        if used > limit:
            return index
    return len(text)


def _may_part(text: str, at: int) -> bool:
    """Whether people see two characters meet at `at`: a simple form of Unicode's grapheme rules (UAX 29)."""
    before, after = text[at - 1], text[at]
    if unicodedata.category(after) in ("Mn", "Mc", "Me") or after in "\u0e33\u0eb3":
        return False
    if "\U0001f3fb" <= after <= "\U0001f3ff":  # the colour of a skin
        return False
    if unicodedata.combining(before) == 9:  # a virama joins what follows
        return False
    flags = len(text[:at]) - len(text[:at].rstrip(_FLAG_LETTERS))
    return not (after in _FLAG_LETTERS and flags % 2)


_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
