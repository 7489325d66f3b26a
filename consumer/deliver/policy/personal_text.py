"""Is what a record calls a name a name, and what it calls an action an action? Pure.

Both go out from the company's own number, so whoever can write them could have it say anything. A text that holds a
link, an address, a long number or formatting, or that a program left behind in place of a name, is not used: the
default name or the process's own action stands in for it. Nothing in such a text is decoded, unescaped or mended.

Judged is what would be sent, after invisible characters were taken out: an invisible one may hide a link from us, and
not from the phone. What follows may still be cut off, so no pattern looks at what comes behind a link or a number.
"""

import re
import unicodedata
from typing import Literal, TypeAlias

from consumer.onemsg.templates.parameters import safe_parameter

TextCheck: TypeAlias = Literal["strict", "links", "off"]
"""`strict`: all of the below. `links`: only links, addresses and what programs leave behind. `off`: nothing."""

_LEFT_BEHIND = frozenset(
    {"null", "Null", "NULL", "(null)", "<null>", "none", "None", "NONE", "undefined", "Undefined", "UNDEFINED", "nil"}
    | {"NaN", "nan", "NAN", "N/A", "n/a", "NA", "#N/A", "#NAME?", "#REF!", "#VALUE!", "[object Object]", "unknown"}
    | {"Unknown", "UNKNOWN", "no name", "No Name", "noname", "anonymous", "Anonymous", "true", "false", "TRUE", "FALSE"}
    | {"False", "guest", "GUEST", "user", "User", "USER", "customer", "Customer", "CUSTOMER", "cliente", "Cliente"}
    | {"usuario", "Usuario", "sin nombre", "Sin nombre", "Sin Nombre", "nombre", "Nombre", "NOMBRE", "FNAME", "NAME"}
    | {"first name", "First Name", "firstname", "FirstName", "first_name", "full name", "name", "Name", "test", "Test"}
)
"""What exports and templates write where there is no name. `Na` and `Nan` are names, so case matters."""

_NEVER_IN_A_NAME = frozenset({"null", "NULL", "undefined", "NaN"})
"""What stands beside a first name where the last one is missing, and cannot be one."""

_PLACEHOLDER = re.compile(
    r"\{\{|\}\}|\$\{|\{%|%\}|<%|%>|\*\||\|\*|\[\[|\]\]|%%|%[A-Z_]{3,}%|^\$[A-Za-z_]"
    r"|^\{.*\}$|^\[.*\]$|^<.*>$|^\(.*\)$"
)
_ENTITY_OR_TAG = re.compile(r"&(#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8});|</?[a-z!]", re.IGNORECASE)
_TITLES = "dr|dra|mr|mrs|ms|st|ste|sr|sra|srta|jr|prof|ing|lic|fr|hr|rev|mme|mlle"
_INITIAL = r"(?-i:[^\Wa-z\d_]\.[^\Wa-z\d_])[^\W\d_]{3,}"
"""`J.Smith`. A shorter surname, as in `J.Lee`, has the form of a short link."""
_LINK = re.compile(
    rf"://|\b(?:https?|mailto|tel|sms|javascript|whatsapp):|\bwww\.|@|\bwa\.me\b|(?<![^\W_])(?!(?:{_TITLES})\.(?-i:[^\Wa-z])|{_INITIAL})[^\W_][\w-]*\.[^\W\d_]{{2,}}"
    r"|[a-z0-9]。[a-z]{2,}|\w\.\w{2,}/|\d{1,3}(\.\d{1,3}){3}",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?<!\d)(?:20\d\d([./-])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])([./-])(?:0?[1-9]|[12]\d|3[01])\2(?:20)?\d\d)(?!\d)"
)
_LONG_NUMBER = re.compile(r"\d{5,}|(?:\d[\W_]*){7,}")
"""Whatever stands between its digits, but for letters."""
_FORMATTING = re.compile(r"[*_~`|\\]|^\s*>")


def usable_name(text: str | None, check: TextCheck = "strict") -> str | None:
    """Return the text as a parameter if it can be what somebody is called, else None."""
    name = safe_parameter(text)
    if name is None or check == "off":
        return name
    words = name.split()
    if not _NEVER_IN_A_NAME.isdisjoint(words) or all(word in _LEFT_BEHIND for word in words):
        return None
    return name if any(c.isalpha() for c in name) and _is_harmless(name, check) else None


def usable_action(text: str | None, check: TextCheck = "strict") -> str | None:
    """Return the text as a parameter if it can say what somebody left unfinished, else None."""
    action = safe_parameter(text)
    return action if action is None or check == "off" or _is_harmless(action, check) else None


def _is_harmless(text: str, check: TextCheck) -> bool:
    text = _as_read(text)
    if text in _LEFT_BEHIND or _PLACEHOLDER.search(text) or _ENTITY_OR_TAG.search(text) or _LINK.search(text):
        return False
    return check != "strict" or not (_LONG_NUMBER.search(_DATE.sub("", text, count=1)) or _FORMATTING.search(text))


def _as_read(text: str) -> str:
    """Return plain letters and digits for wide, circled and ornate ones, without joiners, variants and frames."""
    return "".join(c for c in unicodedata.normalize("NFKC", text) if not _modifies(c))


def _modifies(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Me") or "\ufe00" <= character <= "\ufe0f"
