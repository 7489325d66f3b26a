"""The people of the demo: made up, from a seed, with telephone numbers that could exist.

Most can be written to. Some have something about them that a real customer file has too: no consent, no phone, a
phone that is none, no name. And some have numbers to which the sandbox gives a fixed fate by its last four digits,
so that failures and uncertain sends are seen as well; everybody else's number keeps clear of those endings.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from consumer.clock import Millis
from consumer.demo.countries import COUNTRIES, Country
from consumer.records import Contact

_MOBILE = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
_VARIED_DIGITS = 6
_RESERVED = "00"
"""How the four-digit endings with a fixed fate begin."""


@dataclass(frozen=True, slots=True)
class Person:
    """A contact, and whether this is somebody who often leaves things lying."""

    contact: Contact
    forgetful: bool = False

    @property
    def user_id(self) -> str:
        return self.contact.user_id


@dataclass(frozen=True, slots=True)
class Quirk:
    """What sets a person apart. `ending` are the phone's last digits."""

    opt_in: bool = True
    has_name: bool = True
    has_phone: bool = True
    bad_phone: bool = False
    ending: str | None = None


QUIRKS = (
    *(Quirk(opt_in=False),) * 10,
    *(Quirk(has_phone=False),) * 3,
    *(Quirk(bad_phone=True),) * 2,
    *(Quirk(has_name=False),) * 2,
    *(Quirk(ending="0001"),) * 3,  # not on WhatsApp
    Quirk(ending="0002"),  # Meta holds it back: enough marketing for this person
    Quirk(ending="0003"),  # delivered, never read
    Quirk(ending="0005"),  # no report by webhook: found by asking
    Quirk(ending="0007"),  # switched marketing off
    Quirk(ending="0008"),  # read without ever having been delivered
    Quirk(ending="0009"),  # failed, and delivered after all
    Quirk(ending="0012"),  # refused for the moment: tried again
    *(Quirk(ending="0023"),) * 3,  # the connection breaks before the answer: nobody knows whether it went out
    *(Quirk(ending="0025"),) * 2,  # likewise, with a 502
)
"""Those who are not like everybody else; as many of them as there is room for are in every crowd."""

_PLAIN = Quirk()


def people(count: int, seed: int, now: Millis) -> tuple[Person, ...]:
    """So many people, the same for the same seed, no two with the same phone; their contacts are as of `now`."""
    dice = Random(f"people/{seed}")  # noqa: S311 - repeatable, not secret
    quirks = [*QUIRKS[:count], *(_PLAIN,) * (count - len(QUIRKS))]
    dice.shuffle(quirks)
    taken: set[str] = set()
    return tuple(_person(number, quirk, dice, taken, now) for number, quirk in enumerate(quirks))


def _person(number: int, quirk: Quirk, dice: Random, taken: set[str], now: Millis) -> Person:
    country = dice.choice(COUNTRIES)
    contact = Contact(
        user_id=f"u-{number:04}-{dice.randrange(16**4):04x}",
        name=dice.choice(country.names) if quirk.has_name else None,
        phone=_phone(country, quirk, dice, taken),
        locale=country.locale,
        timezone=country.timezone,
        opt_in=quirk.opt_in,
        updated_at=now,
    )
    return Person(contact, forgetful=quirk is not _PLAIN)


def _phone(country: Country, quirk: Quirk, dice: Random, taken: set[str]) -> str | None:
    if not quirk.has_phone:
        return None
    if quirk.bad_phone:
        return "ask at reception"
    found = next(n for n in _numbers(country.region, quirk.ending, dice) if _e164(n) not in taken)
    taken.add(_e164(found))
    # As customer files have them: some as machines write them, some as people do.
    style = dice.choice((PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL))
    return phonenumbers.format_number(found, style)


def _numbers(region: str, ending: str | None, dice: Random) -> Iterator[phonenumbers.PhoneNumber]:
    """Valid mobile numbers of a region without end: its example number with other last digits."""
    example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    if example is None or example.national_number is None:
        raise ValueError(f"no example of a mobile number is known for {region}")
    head = str(example.national_number)[:-_VARIED_DIGITS]
    while True:
        digits = _digits(ending, dice)
        number = phonenumbers.PhoneNumber(country_code=example.country_code, national_number=int(head + digits))
        if phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) in _MOBILE:
            yield number


def _digits(ending: str | None, dice: Random) -> str:
    digits = f"{dice.randrange(10**_VARIED_DIGITS):0{_VARIED_DIGITS}}"
    if ending:
        return digits[: -len(ending)] + ending
    tail = digits[-4:]
    return digits if not tail.startswith(_RESERVED) else digits[:-4] + str(dice.randrange(1, 10)) + tail[1:]


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def masked(digits: str) -> str:
    """A phone as it may be shown to a passer-by: `+34 ••• ••12`. What is no phone number is hidden altogether."""
    try:
        number = phonenumbers.parse(f"+{digits.lstrip('+')}", None)
    except phonenumbers.NumberParseException:
        return "•••"
    return f"+{number.country_code} ••• ••{digits[-2:]}"
