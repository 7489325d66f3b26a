"""Which of a template's languages suits somebody, by the locale in which their CRM keeps them. Pure."""

import re
from collections.abc import Sequence

_PARTS = re.compile(r"[A-Za-z0-9]+")
_RENAMED = {"iw": "he", "in": "id", "ji": "yi", "no": "nb", "nn": "nb", "tl": "fil"}
"""Older codes, and near relatives, by the name that WhatsApp's list of languages has."""

_SCRIPTS = {"hans": "CN", "hant": "TW"}
"""Where a locale names how Chinese is written instead of where."""


def ranked(locale: str | None, languages: Sequence[str]) -> tuple[str, ...]:
    """The languages that suit this locale, best first; the first of `languages` is everybody's and comes last.

    `pt-BR`, `pt_BR.UTF-8`, `PT` and `pt-Latn-BR` all mean Portuguese; of several kinds the named country's comes first.
    Whatever is no locale means nobody's language in particular.
    """
    base, region, written = _read(locale)
    same = [language for language in languages if language.partition("_")[0] == base]
    same.sort(key=lambda language: (not language.endswith(f"_{region}"), not language.endswith(f"_{written}")))
    return tuple(dict.fromkeys([*same, *languages[:1]]))


def _read(locale: str | None) -> tuple[str, str, str]:
    """Language, country, and the country that writes it so; each empty where nothing is said."""
    parts = _PARTS.findall((locale or "")[:64].partition(".")[0].partition("@")[0])
    if not parts or not parts[0].isalpha():
        return "", "", ""
    base = parts[0].lower()
    regions = (part.upper() for part in parts[1:] if len(part) == 2 and part.isalpha())
    scripts = (_SCRIPTS[part.lower()] for part in parts[1:] if part.lower() in _SCRIPTS)
    return _RENAMED.get(base, base), next(regions, ""), next(scripts, "")
