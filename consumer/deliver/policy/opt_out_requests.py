"""Does somebody ask not to be written to any more, or to be written to again? Pure; the words are data.

What counts is what remains of a text once courtesy, punctuation, emoji and repetition are gone: if that is a word or
phrase for it, the request is certain. A longer text that holds such words is only a likely request: nothing is sent to
that person until somebody has looked. Everything else says nothing.
"""

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from functools import cache

from consumer.opt_out_words import (
    AMBIGUOUS_WORDS,
    COURTESY_WORDS,
    HARMLESS_PHRASES,
    LIKELY_WORDS,
    START_WORDS,
    STOP_WORDS,
    UNSPACED,
)

_MAX_LENGTH = 4096
"""Characters that are read; WhatsApp allows no longer text message."""
_MAX_APART = 4 * _MAX_LENGTH
"""The same once characters are taken apart: letters become at most four, but some ligatures eighteen."""
_LIKELY_MAX_WORDS = 12
"""A longer text is a conversation, in which `stop` may mean anything; only unmistakable phrases count there."""
_UNSPACED_MAX_LENGTH = 60
"""The same for languages without blanks, in characters (a Korean syllable counts as two or three)."""

_DRAWN_OUT = re.compile(r"([^\W\d_])\1{2,}")
"""One letter three times or more, as in `stoppp`."""

_ENCLOSED = {first + n: chr(ord("a") + n) for first in (0x1F150, 0x1F170, 0x1F1E6) for n in range(26)}
"""Letters in black circles, in black squares and of flags, which Unicode does not take apart itself."""


class OptOutRequest(StrEnum):
    """What a text asks for."""

    STOP = "stop"
    START = "start"
    LIKELY_STOP = "likely_stop"
    NOTHING = "nothing"


class OptOutRequests:
    """Reads texts. `stop_words` are whole phrases in any language; the known ones unless given."""

    def __init__(self, stop_words: Iterable[str] | None = None) -> None:
        words = [word for each in STOP_WORDS.values() for word in each] if stop_words is None else stop_words
        self._stop = {plain for word in words if (plain := _plain(word))}
        self._start = {_plain(word) for each in START_WORDS.values() for word in each} - self._stop
        courtesy = sorted({_plain(word) for word in COURTESY_WORDS} - self._stop, key=len, reverse=True)
        self._courtesy = re.compile(rf"(?<!\S)(?:{'|'.join(map(re.escape, courtesy))})(?!\S)")
        self._harmless = re.compile(rf"(?<!\S)(?:{'|'.join(map(re.escape, HARMLESS_PHRASES))})(?!\S)")
        whole = {_plain(word) for word in LIKELY_WORDS if not word.endswith("*")} | self._long_stop_phrases()
        stems = {_plain(word) for word in LIKELY_WORDS if word.endswith("*")}
        likely = [rf"{re.escape(word)}(?!\S)" for word in whole] + [rf"{re.escape(stem)}\S*" for stem in stems]
        self._likely = re.compile(rf"(?<!\S)(?:{'|'.join(sorted(likely, key=len, reverse=True))})")
        unspaced = {word for each in UNSPACED for word in STOP_WORDS[each] if len(word) > 1 and not word.isascii()}
        self._unspaced = re.compile("|".join(sorted(re.escape(_plain(word)) for word in unspaced)))

    def read(self, *texts: str | None) -> OptOutRequest:
        """Return what the texts of one message (body, caption, button title, button payload) ask for together.

        The strongest wins: a certain stop before a start, and both before a likely stop.
        """
        found = {self._read_one(text[:_MAX_LENGTH]) for text in texts if text}
        order = OptOutRequest.STOP, OptOutRequest.START, OptOutRequest.LIKELY_STOP
        return next((request for request in order if request in found), OptOutRequest.NOTHING)

    def _read_one(self, text: str) -> OptOutRequest:
        words = plain_words(text)
        if (asked := self._exact(words)) is not OptOutRequest.NOTHING:
            return asked
        rest = _without_repetition(" ".join(self._courtesy.sub(" ", words).split()))
        if (asked := self._exact(rest)) is not OptOutRequest.NOTHING:
            return asked
        if (asked := self._exact(_DRAWN_OUT.sub(r"\1", rest))) is not OptOutRequest.NOTHING:
            return asked
        likely = self._is_likely(self._harmless.sub(" · ", rest))
        return OptOutRequest.LIKELY_STOP if likely else OptOutRequest.NOTHING

    def _exact(self, words: str) -> OptOutRequest:
        if words in self._stop or words.replace(" ", "") in self._stop:
            return OptOutRequest.STOP
        return OptOutRequest.START if words in self._start else OptOutRequest.NOTHING

    def _is_likely(self, words: str) -> bool:
        """Return whether it holds an unmistakable phrase, or is short and holds a word for it.

        A word that may as well mean something else counts where a text begins or ends with it.
        """
        found = list(self._likely.finditer(words))
        if any(" " in match[0] for match in found):
            return True
        if len(words.split()) > _LIKELY_MAX_WORDS:
            return False
        certain = any(m[0] not in AMBIGUOUS_WORDS or m.start() == 0 or m.end() == len(words) for m in found)
        return certain or (len(words) <= _UNSPACED_MAX_LENGTH and self._unspaced.search(words) is not None)

    def _long_stop_phrases(self) -> set[str]:
        return {phrase for phrase in self._stop if phrase.count(" ") >= 1 and len(phrase) >= 10}


def plain_words(text: str) -> str:
    """Return letters and digits in lower case without accents (Turkish `ı` as `i`), single spaces between words."""
    # Marks go first: many of them are slow to put in order.
    apart = unicodedata.normalize("NFKD", _without_marks(text.translate(_ENCLOSED)))[:_MAX_APART]
    # Letters in mathematical bold have no lower case before they are taken apart, and others are apart only after.
    kept = _without_marks(unicodedata.normalize("NFKD", _without_marks(apart).casefold())).replace("ı", "i")
    return " ".join("".join(c if c.isalnum() else "" if c in "'’‘`´" else " " for c in kept).split())


@cache
def _plain(word: str) -> str:
    """As `plain_words`, for words that are data: kept, since each part that reads texts asks for all of them."""
    return plain_words(word)


def _without_marks(text: str) -> str:
    return "".join(c for c in text if not unicodedata.combining(c))


def _without_repetition(words: str) -> str:
    """Return one of several equal parts: `stop stop stop` is `stop`."""
    parts = words.split()
    for size in range(1, len(parts) // 2 + 1):
        if len(parts) % size == 0 and parts == parts[:size] * (len(parts) // size):
            return " ".join(parts[:size])
    return words
