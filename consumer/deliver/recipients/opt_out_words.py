"""Whether a message asks us to stop: the whole text is one of the words for it. Pure."""

import unicodedata
from collections.abc import Iterable

_MAX_LENGTH = 60
"""Characters; a longer text says more than that."""


class OptOutWords:
    """Words or short phrases, in any language. Case, accents, punctuation and emoji make no difference."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = {plain for word in words if (plain := _plain(word))}

    def matches(self, text: str | None) -> bool:
        return text is not None and len(text) <= _MAX_LENGTH and _plain(text) in self._words


def _plain(text: str) -> str:
    """Return letters and digits in lower case, with single spaces between words."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    without_accents = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in without_accents).split())
