"""Phone numbers: the digits to send to, the country they belong to, and which reported number is the same person's."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult, timezone

_MOST_DIGITS = 15  # E.164
_LONGEST = 40  # characters, with everything that people put between digits
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_EXPONENT = re.compile(r"\+?\d+([.,]\d+)?[eE][+-]?\d+")
_DECIMAL = re.compile(r"\+?\d{5,}[.,]\d{1,2}")
_SHAPE = re.compile(r"[\s(]*\+?[\d\s().\-/]*")
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−－", "-") | {"＋": "+"})
_MEXICAN = re.compile(r"^\+521(\d{10})$")
_KEPT = frozenset({52, 54, 55})
"""Mexico, Argentina, Brazil: WhatsApp's own form differs from the dialled one, in ways that nobody should guess at
before sending (contract §11)."""

_MOBILES = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """`digits` with the country code, as 1MSG wants them. Where it is from is looked up when asked for."""

    digits: str = field(repr=False)

    @property
    def region(self) -> str | None:
        """As ES."""
        number = _parse(f"+{self.digits}")
        if number is None:
            return None
        region = phonenumbers.region_code_for_number(number)
        region = region or phonenumbers.region_code_for_country_code(number.country_code or 0)
        return region if region.isalpha() and region != "ZZ" else None

    @property
    def zones(self) -> tuple[str, ...]:
        """As Europe/Madrid. Some countries, and numbers without a known area, have several or none."""
        number = _parse(f"+{self.digits}")
        if number is None:
            return ()
        zones = _known(timezone.time_zones_for_number(number))
        return zones or _known(timezone.time_zones_for_geographical_number(number))


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneProblem:
    """`reason` is no_phone or bad_phone; `error` says why, without the number."""

    reason: str
    error: str


def normalize_phone(phone: str | None, default_region: str | None = None) -> Phone | PhoneProblem:
    """Return the number to send to, or why there is none. Nothing about a number is guessed.

    With `+` or `00` it is international. Without, and without `default_region` (as ES), it is international too, which
    is 1MSG's own form. Without, and with `default_region`, it is of that region, written nationally or with the
    region's own country code; where the same digits are a number of another country as well, the reading that is a
    mobile counts if only one is, and where they can only be another country's there is no number.

    Only the form is judged, not whether the number is in use: numbering plans change, and WhatsApp knows.
    """
    plain = _plain(phone or "")
    if not plain:
        return PhoneProblem(reason="no_phone", error="there is none")
    if error := _not_a_number(plain):
        return PhoneProblem(reason="bad_phone", error=error)
    digits = re.sub(r"\D", "", plain)
    abroad = _international(digits.removeprefix("00") if "+" not in plain else digits)
    if "+" in plain or digits.startswith("00") or not (default_region or "").strip():
        return abroad or _bad("no number has this form: write the country code, as in +34 …")
    return _of_region(_national(digits, default_region), abroad, default_region)


def _of_region(at_home: Phone | None, abroad: Phone | None, region: str | None) -> Phone | PhoneProblem:
    """Choose between the reading as a number of the region and the one that begins with some country code."""
    if at_home is None and abroad is not None and _has_code_of(abroad, region):
        return abroad
    if at_home is None:
        other = "no number has this form" if abroad is None else f"it can only be a number outside {region}"
        return _bad(f"{other}: write + and the country code, as in +34 …")
    if abroad is None or abroad == at_home or not _is_valid(abroad):
        return at_home
    mobiles = [reading for reading in (at_home, abroad) if _is_mobile(reading)]
    if len(mobiles) == 1:
        return mobiles[0]
    return _bad(f"it has two readings, in {region} and in another country: write + and the country code")


def _not_a_number(plain: str) -> str | None:
    """Say what in the text no phone number has, without quoting it."""
    if _EXPONENT.fullmatch(plain):
        return "it has an exponent, so a spreadsheet has rounded it: format the column as text, and fill it in again"
    if _DECIMAL.fullmatch(plain):
        return "it has a decimal point, so it was exported as a number: format the column as text, and export it again"
    if any(c.isalpha() for c in plain):
        return "it has letters in it: write digits alone, without names or extensions"
    if len(plain) > _LONGEST or not _SHAPE.fullmatch(plain):
        return "there is something in it that no number has"
    return None


def same_recipient(one: str, other: str) -> bool:
    """Whether two numbers (digits) may be one person's: a status can name another form than was sent to.

    Mexico 521/52, Brazil's ninth digit, Argentina 549/54 [S46–S48], and a trunk zero after the country code [O S11].
    """
    return one == other or canonical_phone(one) == canonical_phone(other)


def mask_phone(phone: str) -> str:
    """Enough of a number for somebody who knows it, too little for anybody else."""
    digits = re.sub(r"\D", "", phone)
    return f"…{digits[-2:]}" if len(digits) >= 6 else "…"


def _plain(phone: str) -> str:
    """Plain digits, hyphens and plus signs; no invisible marks, which address books like to add."""
    text = _INVISIBLE.sub("", phone[: 10 * _LONGEST]).translate(_DASHES).strip()
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def _bad(error: str) -> PhoneProblem:
    return PhoneProblem(reason="bad_phone", error=error)


def _international(digits: str) -> Phone | None:
    """Digits that begin with a country code."""
    number = _parse(f"+{digits}")
    if number is None or not 6 <= len(digits) <= _MOST_DIGITS:
        return None
    if number.country_code in _KEPT:
        return Phone(digits=digits)
    return Phone(digits=_e164(number))  # without a trunk zero: +44 (0)20 …


def _national(digits: str, region: str | None) -> Phone | None:
    """Digits as they are dialled within a region. A number of that region with its country code is one as well."""
    number = _parse(digits, region.strip().upper()) if region else None
    if number is None or len(_e164(number)) > _MOST_DIGITS:
        return None
    has_code = number.country_code in _KEPT and digits.startswith(str(number.country_code))
    kept = has_code and same_recipient(digits, _e164(number))
    return Phone(digits=digits if kept else _e164(number))


@lru_cache(maxsize=2_000)  # one decision asks about the same number several times
def _parse(text: str, region: str | None = None) -> PhoneNumber | None:
    """The number, if its length is one that its country has."""
    dialled = _MEXICAN.sub(r"+52\1", text)  # WhatsApp's form of a Mexican mobile, no longer dialled
    try:
        number = phonenumbers.parse(dialled, region)
    except NumberParseException:
        return None
    possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    return number if possible else None


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164).removeprefix("+")


def _known(zones: Iterable[str]) -> tuple[str, ...]:
    return tuple(zone for zone in zones if zone != timezone.UNKNOWN_TIMEZONE)


def _is_valid(phone: Phone) -> bool:
    number = _parse(f"+{phone.digits}")
    return number is not None and phonenumbers.is_valid_number(number)


def _has_code_of(phone: Phone, region: str | None) -> bool:
    number = _parse(f"+{phone.digits}")
    code = phonenumbers.country_code_for_region((region or "").strip().upper())
    return number is not None and number.country_code == code


def _is_mobile(phone: Phone) -> bool:
    """Whether it may be a mobile; in some countries their numbers are no others than those of landlines."""
    number = _parse(f"+{phone.digits}")
    return number is not None and phonenumbers.number_type(number) in _MOBILES


def canonical_phone(digits: str) -> str:
    """One form for all the forms of a number. Not one to send to."""
    number = _parse(f"+{digits}")
    plain = _e164(number) if number is not None else digits
    plain = re.sub(r"^(55\d\d)9(?=[6-9]\d{7}$)", r"\1", plain)  # landlines, 2 to 5, never have the ninth digit
    return re.sub(r"^549(?=\d{10}$)", "54", plain)
