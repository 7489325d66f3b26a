"""Makes a provider's words safe to log and to publish: no phone number, no token, no page of text."""

import re
from collections.abc import Iterable

MASK = "…"
LIMIT = 300
"""Characters of a provider's text that are worth keeping."""

_READ = 2000  # a longer text is cut before anything is looked for in it
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_CREDENTIALS = re.compile(
    r"eyJ[\w-]{6,}(?:\.[\w-]*){0,2}"  # a JWT
    r"|(?<=bearer )\s*[^\s\"',;]+"
    r"|(?<=token)\s*[:=]\s*[\"']?[^\s\"',;&]+"
    r"|(?<=token)\s*[\"'“][^\"'”]*[\"'”]?"  # 1MSG's 401 quotes the token it rejects (contract §1)
    r"|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*"  # a chat id, an address
    r"|(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{24,}={0,2}",  # any other key; a message id holds the number
    re.IGNORECASE,
)
# Seven digits or more, however they are grouped. Meta's error codes have six.
_NUMBER = re.compile(r"\+?\(?\d(?:[\s().\-/]{0,3}\d){6,}")


def mask_text(text: str, hide: Iterable[str] = ()) -> str:
    """`text` on one line, at most LIMIT characters, without what looks like a number or a credential.

    `hide` are texts that must not be seen in it in any case, such as a name that was sent.
    """
    text = _UNFIT.sub(" ", text[:_READ])
    for hidden in sorted({word for word in hide if len(word) > 2}, key=len, reverse=True):
        text = re.sub(re.escape(hidden), MASK, text, flags=re.IGNORECASE)
    text = _NUMBER.sub(MASK, _CREDENTIALS.sub(MASK, text))
    text = " ".join(text.split())
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + MASK
