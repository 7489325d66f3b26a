"""Phone numbers: the digits to send to, their country and time zones, and whether two numbers are one recipient."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult, timezone

_MAX_DIGITS = 15  # E.164
_MAX_CHARACTERS = 40  # with everything that people write between digits
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_EXPONENT = re.compile(r"\+?\d+([.,]\d+)?[eE][+-]?\d+")
_DECIMAL = re.compile(r"\+?\d{5,}[.,]\d{1,2}")
_SHAPE = re.compile(r"[\s(]*\+?[\d\s().\-/]*")
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−－", "-") | {"＋": "+"})
_MEXICAN = re.compile(r"^\+521(\d{10})$")
_UNCHANGED = frozenset({52, 54, 55})
"""Mexico, Argentina, Brazil: WhatsApp's form of a number differs from the dialled one, in ways that must not be guessed
before sending (docs/1msg.md#phone-numbers)."""

_LONGER_FORMS = (
    (r"^(55\d\d)(?=[6-9]\d{7}$)", r"\g<1>9"),
    (r"^54(?=\d{10}$)", "549"),
    (r"^52(?=\d{10}$)", "521"),
)
"""The canonical form, and another one that means the same: Brazil, Argentina, Mexico."""
_MOBILE_TYPES = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A number: `digits` with the country code, as 1MSG expects them."""

    digits: str = field(repr=False)

    @property
    def region(self) -> str | None:
        """The country, such as ES; None if unknown."""
        number = _parse(f"+{self.digits}")
        if number is None:
            return None
        region = phonenumbers.region_code_for_number(number)
        region = region or phonenumbers.region_code_for_country_code(number.country_code or 0)
        return region if region.isalpha() and region != "ZZ" else None

    @property
    def zones(self) -> tuple[str, ...]:
        """The time zones, such as Europe/Madrid. Numbers without a known area have several, or none."""
        number = _parse(f"+{self.digits}")
        if number is None:
            return ()
        zones = _known(timezone.time_zones_for_number(number))
        return zones or _known(timezone.time_zones_for_geographical_number(number))


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneProblem:
    """Why there is no number. `reason` is no_phone or bad_phone; `error` explains it without quoting the number."""

    reason: str
    error: str


def normalize_phone(phone: str | None, default_region: str | None = None) -> Phone | PhoneProblem:
    """Return the number to send to, or why there is none. Nothing is guessed.

    A number with `+` or `00` is international. Without these and without `default_region` (such as ES) it is
    international too, which is 1MSG's own form. With `default_region` it is a number of that region, written nationally
    or with the region's country code. If the same digits are also a number of another country, the reading that is a
    mobile number counts, if only one is; if they can only be another country's number, there is no number.

    Only the form is checked, not whether the number is in use: numbering plans change, and WhatsApp knows.
    """
    plain = _plain(phone or "")
    if not plain:
        return PhoneProblem(reason="no_phone", error="is empty")
    if error := _not_a_number(plain):
        return PhoneProblem(reason="bad_phone", error=error)
    digits = re.sub(r"\D", "", plain)
    international = _international(digits.removeprefix("00") if "+" not in plain else digits)
    if "+" in plain or digits.startswith("00") or not (default_region or "").strip():
        return international or _bad_phone("no number has this form: write the country code, as in +34 …")
    return _of_region(_national(digits, default_region), international, default_region)


def _of_region(domestic: Phone | None, international: Phone | None, region: str | None) -> Phone | PhoneProblem:
    """Choose between the reading as a number of the region and the reading with a country code."""
    if domestic is None and international is not None and _has_code_of(international, region):
        return international
    if domestic is None:
        other = "no number has this form" if international is None else f"it can only be a number outside {region}"
        return _bad_phone(f"{other}: write + and the country code, as in +34 …")
    if domestic != international and _repeats_code(domestic):
        return _bad_phone(f"it has the country code of {region}, and no number of {region} behind it")
    if international is None or international == domestic or not _is_valid(international):
        return domestic
    mobiles = [reading for reading in (domestic, international) if _is_mobile(reading)]
    if len(mobiles) == 1:
        return mobiles[0]
    return _bad_phone(f"it has two readings, in {region} and in another country: write + and the country code")


def _repeats_code(phone: Phone) -> bool:
    """Return whether it is only a number if its country code is read as digits behind a second one: +49 491511 …"""
    number = _parse(f"+{phone.digits}")
    code = "" if number is None else str(number.country_code)
    return bool(code) and phone.digits.startswith(2 * code) and not _is_valid(phone)


def _not_a_number(plain: str) -> str | None:
    """Return what in the text cannot be part of a phone number, without quoting it; None if nothing is wrong."""
    if _EXPONENT.fullmatch(plain):
        return "it has an exponent, so a spreadsheet has rounded it: format the column as text and enter it again"
    if _DECIMAL.fullmatch(plain):
        return "it has a decimal point, so it was exported as a number: format the column as text and export it again"
    if any(c.isalpha() for c in plain):
        return "it contains letters: write only digits, without names or extensions"
    if len(plain) > _MAX_CHARACTERS or not _SHAPE.fullmatch(plain):
        return "it contains characters that no phone number has"
    return None


def forms_of(digits: str) -> set[str]:
    """Return all the forms in which WhatsApp may write this number: with and without the digits that it leaves out."""
    plain = canonical_phone(digits)
    longer = (re.sub(pattern, form, plain) for pattern, form in _LONGER_FORMS)
    return {digits, plain, *longer}


def same_recipient(one: str, other: str) -> bool:
    """Return whether two numbers (digits) may be one recipient: a status can name another form than was sent to.

    Mexico 521/52, Brazil's ninth digit, Argentina 549/54, and a trunk zero after the country code
    (docs/1msg.md#phone-numbers).
    """
    return one == other or canonical_phone(one) == canonical_phone(other)


def _plain(phone: str) -> str:
    """Return the text with plain digits, hyphens and plus signs, without the invisible marks of address books."""
    text = _INVISIBLE.sub("", phone[: 10 * _MAX_CHARACTERS]).translate(_DASHES).strip()
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def _bad_phone(error: str) -> PhoneProblem:
    return PhoneProblem(reason="bad_phone", error=error)


def _international(digits: str) -> Phone | None:
    """Return the number of digits that begin with a country code; None if they are none."""
    number = _parse(f"+{digits}")
    if number is None or not 6 <= len(digits) <= _MAX_DIGITS:
        return None
    if number.country_code in _UNCHANGED:
        return Phone(digits=digits)
    return Phone(digits=_e164(number))  # without a trunk zero: +44 (0)20 …


def _national(digits: str, region: str | None) -> Phone | None:
    """Return the number of digits as dialled within a region, or with its country code; None if they are none."""
    number = _parse(digits, region.strip().upper()) if region else None
    if number is None or len(_e164(number)) > _MAX_DIGITS:
        return None
    has_code = number.country_code in _UNCHANGED and digits.startswith(str(number.country_code))
    kept = has_code and same_recipient(digits, _e164(number))
    return Phone(digits=digits if kept else _e164(number))


@lru_cache(maxsize=2_000)  # one decision asks about the same number several times
def _parse(text: str, region: str | None = None) -> PhoneNumber | None:
    """Return the number if its length is possible in its country."""
    dialled = _MEXICAN.sub(r"+52\1", text)  # WhatsApp's form of a Mexican mobile number, which is no longer dialled
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
    """Return whether it may be a mobile number; some countries do not distinguish them from landlines."""
    number = _parse(f"+{phone.digits}")
    return number is not None and phonenumbers.number_type(number) in _MOBILE_TYPES


def canonical_phone(digits: str) -> str:
    """Return one form for all forms of a number, for comparison; not one to send to."""
    number = _parse(f"+{digits}")
    plain = _e164(number) if number is not None else digits
    plain = re.sub(r"^(55\d\d)9(?=[6-9]\d{7}$)", r"\1", plain)  # landlines, 2 to 5, never have the ninth digit
    return re.sub(r"^549(?=\d{10}$)", "54", plain)
