"""Makes a provider's text safe to log and to publish: no phone number, no token, no long text."""

import re
from collections.abc import Iterable

MASK = "…"
MAX_CHARACTERS = 300
"""Longer texts are shortened to this."""

_MAX_INPUT_CHARACTERS = 2000  # longer texts are cut before they are searched
_CREDENTIALS = re.compile(
    r"eyJ[\w-]{6,}(?:\.[\w-]*){0,2}"  # a JWT
    r"|(?<=bearer )\s*[^\s\"',;]+"
    r"|(?<=token)\s*[:=]\s*[\"']?[^\s\"',;&]+"
    r"|(?<=token)\s*[\"'“][^\"'”]*[\"'”]?"  # 1MSG's 401 quotes the token it rejects
    r"|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*"  # a chat id, an address
    r"|(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{24,}={0,2}",  # any other key; message ids contain the number
    re.IGNORECASE,
)
# Seven digits or more, with any grouping. Meta's error codes have six.
_NUMBER = re.compile(r"\+?\(?\d(?:[\s().\-/]{0,3}\d){6,}")


def mask_text(text: str, hide: Iterable[str] = ()) -> str:
    """Return `text` on one line of at most MAX_CHARACTERS, without anything like a phone number or a credential.

    `hide` are texts to mask in any case, such as a name that was sent.
    """
    text = hide_texts(_on_one_line(text[:_MAX_INPUT_CHARACTERS]), hide)
    text = " ".join(_NUMBER.sub(MASK, _CREDENTIALS.sub(MASK, text)).split())
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + MASK


def hide_texts(text: str, hide: Iterable[str]) -> str:
    """Return `text` with a mask for each of these, in any case; one of two letters is hardly told from another word.

    `text` may have gone through `mask_text`, which keeps no joiner of a name and no special space.
    """
    forms = {form for word in hide for form in (word, _on_one_line(word)) if len(form) > 2}
    for hidden in sorted(forms, key=len, reverse=True):
        text = re.sub(re.escape(hidden), MASK, text, flags=re.IGNORECASE)
    return text


def _on_one_line(text: str) -> str:
    """Return what can be printed of a text, with single spaces in place of everything else."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
