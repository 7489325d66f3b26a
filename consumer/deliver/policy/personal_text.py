"""Is what a record calls a name a name, and what it calls an action an action? Pure.

Both go out from the company's own number, so whoever can write them could have it say anything. A text that holds a
link, an address, a long number or formatting, or that a program left behind in place of a name, is not used: the
default name or the process's own action stands in for it. Nothing in such a text is decoded, unescaped or mended.
"""

import re
from typing import Literal, TypeAlias

TextCheck: TypeAlias = Literal["strict", "links", "off"]
"""`strict`: all of the below. `links`: only links, addresses and what programs leave behind. `off`: nothing."""

_LONGEST = 1_000
"""Characters that are looked at. Fewer of a text are ever sent, and a longer look would only cost time."""

_LEFT_BEHIND = frozenset(
    {"null", "Null", "NULL", "(null)", "<null>", "none", "None", "NONE", "undefined", "Undefined", "UNDEFINED", "nil"}
    | {"NaN", "nan", "NAN", "N/A", "n/a", "NA", "#N/A", "#NAME?", "#REF!", "#VALUE!", "[object Object]", "unknown"}
    | {"Unknown", "UNKNOWN", "no name", "No Name", "noname", "anonymous", "Anonymous", "true", "false", "TRUE", "FALSE"}
    | {"first name", "First Name", "firstname", "FirstName", "first_name", "full name", "name", "Name", "test", "Test"}
)
"""What exports and templates write where there is no name. `Na` and `Nan` are names, so case matters."""

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\$\{|\{%|%\}|<%|%>|\*\||\|\*|\[\[|\]\]|%[A-Z_]{3,}%|^\{.*\}$|^\[.*\]$|^<.*>$")
_ENTITY_OR_TAG = re.compile(r"&(#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8});|</?[a-z!]", re.IGNORECASE)
_TITLES = "dr|dra|mr|mrs|ms|st|ste|sr|sra|srta|jr|prof|ing|lic|fr|hr|rev|mme|mlle"
_LINK = re.compile(
    rf"://|\bwww\.|@|\bwa\.me\b|\b(?!(?:{_TITLES})\.)[^\W_][\w-]+\.[^\W\d_]{{2,}}(?![\w.])|\w\.\w{{2,}}/|\d{{1,3}}(\.\d{{1,3}}){{3}}",
    re.IGNORECASE,
)
_LONG_NUMBER = re.compile(r"\d{5,}|(?:\d[\s().+-]*){7,}")
_FORMATTING = re.compile(r"[*_~`|\\]|^\s*>")


def usable_name(text: str | None, check: TextCheck = "strict") -> str | None:
    """Return the text if it can be what somebody is called, cut to what is ever sent of it, else None."""
    name = (text or "")[:_LONGEST].strip()
    if check == "off":
        return name or None
    if name in _LEFT_BEHIND or not any(c.isalpha() for c in name):
        return None
    return name if _is_harmless(name, check) else None


def usable_action(text: str | None, check: TextCheck = "strict") -> str | None:
    """Return the text if it can say what somebody left unfinished, cut to what is ever sent of it, else None."""
    action = (text or "")[:_LONGEST].strip()
    if not action or check == "off":
        return action or None
    return None if action in _LEFT_BEHIND or not _is_harmless(action, check) else action


def _is_harmless(text: str, check: TextCheck) -> bool:
    if _PLACEHOLDER.search(text) or _ENTITY_OR_TAG.search(text) or _LINK.search(text):
        return False
    return check != "strict" or not (_LONG_NUMBER.search(text) or _FORMATTING.search(text))
