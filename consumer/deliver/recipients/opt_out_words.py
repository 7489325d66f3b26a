"""Whether somebody has told us to stop: the whole of what they wrote is one of the words for it. Pure."""

import unicodedata
from collections.abc import Iterable

_LONGEST = 60
"""Characters; whoever writes more wants to say more than that."""


class OptOutWords:
    """Words, or short phrases, in whatever languages. Case, accents, punctuation and emoji make no difference."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = {plain for word in words if (plain := _plain(word))}

    def said(self, text: str | None) -> bool:
        return text is not None and len(text) <= _LONGEST and _plain(text) in self._words


def _plain(text: str) -> str:
    """Letters and digits in lower case, single spaces between words."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    kept = "".join(c for c in apart if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in kept).split())
