"""Which of a template's languages suits a person, by the locale of their contact. Pure."""

import re
from collections.abc import Sequence

_PARTS = re.compile(r"[A-Za-z0-9]+")
_RENAMED = {"iw": "he", "in": "id", "ji": "yi", "no": "nb", "nn": "nb", "tl": "fil"}
"""Older codes and near relatives, mapped to the code in WhatsApp's list of languages."""

_SCRIPTS = {"hans": "CN", "hant": "TW"}
"""Chinese scripts, mapped to the country that writes them."""


def ranked(locale: str | None, languages: Sequence[str]) -> tuple[str, ...]:
    """Return the languages that suit this locale, best first; the default, the first of `languages`, comes last.

    `pt-BR`, `pt_BR.UTF-8`, `PT` and `pt-Latn-BR` all mean Portuguese; among its variants the named country's comes
    first. A text that is not a locale gives the default alone.
    """
    base, region, script_region = _parse(locale)
    same = [language for language in languages if language.partition("_")[0] == base]
    same.sort(key=lambda language: (not language.endswith(f"_{region}"), not language.endswith(f"_{script_region}")))
    return tuple(dict.fromkeys([*same, *languages[:1]]))


def _parse(locale: str | None) -> tuple[str, str, str]:
    """Return the language, the country, and the country of the script; each is empty if the locale lacks it."""
    parts = _PARTS.findall((locale or "")[:64].partition(".")[0].partition("@")[0])
    if not parts or not parts[0].isalpha():
        return "", "", ""
    base = parts[0].lower()
    regions = (part.upper() for part in parts[1:] if len(part) == 2 and part.isalpha())
    scripts = (_SCRIPTS[part.lower()] for part in parts[1:] if part.lower() in _SCRIPTS)
    return _RENAMED.get(base, base), next(regions, ""), next(scripts, "")
