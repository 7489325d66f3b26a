"""The people of the demo: invented from a seed, with phone numbers that could exist.

Most can be written to. Some contacts have a flaw, as in real customer files. And some have a phone whose last four
digits make the sandbox treat it in a fixed way, so that failures and sends with an unknown outcome are seen as well.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import phonenumbers

from consumer.clock import Millis
from consumer.records import Contact


@dataclass(frozen=True, slots=True)
class Country:
    """`locale` as BCP 47, `timezone` from the tz database; with any six digits, `mobile` is a valid mobile number."""

    locale: str
    timezone: str
    mobile: str
    names: tuple[str, ...]


COUNTRIES = (
    Country("es-ES", "Europe/Madrid", "+34 612", ("Lucía", "Mateo", "Íñigo", "Carmen", "Begoña", "Álvaro")),
    Country("pt-PT", "Europe/Lisbon", "+351 912", ("Inês", "João", "Beatriz", "Gonçalo", "Matilde", "Rui")),
    Country("fr-FR", "Europe/Paris", "+33 612", ("Chloé", "Étienne", "Camille", "Loïc", "Zoé", "Baptiste")),
    Country("it-IT", "Europe/Rome", "+39 3123", ("Giulia", "Niccolò", "Chiara", "Lorenzo", "Noemi", "Davide")),
    Country("de-DE", "Europe/Berlin", "+49 15123", ("Jürgen", "Käthe", "Leonie", "Björn", "Anneliese", "Moritz")),
    Country("en-GB", "Europe/London", "+44 7400", ("Olivia", "Angus", "Siân", "Harriet", "Callum", "Imogen")),
    Country("pl-PL", "Europe/Warsaw", "+48 512", ("Łukasz", "Agnieszka", "Wojciech", "Małgorzata", "Bożena", "Jan")),
    Country("tr-TR", "Europe/Istanbul", "+90 5012", ("İrem", "Çağlar", "Ayşe", "Ömer", "Gülşen", "Emre")),
    Country("pt-BR", "America/Sao_Paulo", "+55 11961", ("Conceição", "Thiago", "Larissa", "Antônio", "Juliana")),
    Country("es-MX", "America/Mexico_City", "+52 2221", ("Ximena", "Joaquín", "Guadalupe", "Andrés", "Itzel")),
    Country("en-IN", "Asia/Kolkata", "+91 8123", ("Priya", "Arjun", "Lakshmi", "Vikram", "Ananya", "Rohan")),
    Country("en-NG", "Africa/Lagos", "+234 8021", ("Chidinma", "Olúwaṣeun", "Ngozi", "Emeka", "Amina", "Babajide")),
)

FLAWS: tuple[dict[str, Any], ...] = (
    *[{"opt_in": False}] * 10,
    *[{"phone": None}] * 3,
    *[{"phone": "ask at reception"}] * 2,
    *[{"name": None}] * 2,
)
"""What is wrong with the contacts of some people, one each."""

PHONE_ENDINGS = (
    *["0001"] * 3,  # not on WhatsApp
    *["0002", "0003", "0005", "0007", "0008", "0009", "0012"],  # reported oddly or late, or refused at first
    *["0023"] * 3,  # the connection breaks before the answer: nobody knows whether it was sent
    *["0025"] * 2,  # the same with a 502
)
"""Last digits of the phones of some other people; the sandbox's `fates` say what each of them means."""


@dataclass(frozen=True, slots=True)
class InventedPerson:
    """A contact, and whether this person often leaves things unfinished."""

    contact: Contact
    forgetful: bool


def people(count: int, seed: int, now: Millis) -> tuple[InventedPerson, ...]:
    """Return that many people, the same for the same seed, no two with the same phone; `now` is their `updated_at`.

    Flaws and endings go to as many of them as there is room for, who are the forgetful ones.
    """
    rng = Random(f"people/{seed}")  # noqa: S311 - repeatable, not secret
    special = ([(flaw, "") for flaw in FLAWS] + [({}, ending) for ending in PHONE_ENDINGS])[:count]
    cases = special + [({}, "")] * (count - len(special))
    rng.shuffle(cases)
    used: set[str] = set()
    return tuple(
        InventedPerson(replace(_contact(number, ending, rng, used, now), **flaw), forgetful=bool(flaw or ending))
        for number, (flaw, ending) in enumerate(cases)
    )


def agreed_numbers(crowd: Iterable[InventedPerson]) -> frozenset[str]:
    """Return the phone numbers (digits only) of people who agreed to be written to."""
    phones = (person.contact.phone or "" for person in crowd if person.contact.opt_in)
    return frozenset("".join(filter(str.isdigit, phone)) for phone in phones) - {""}


def masked(digits: str) -> str:
    """Return a phone as a passer-by may see it (`+34 ••• ••12`); what is no phone number is hidden as a whole."""
    try:
        number = phonenumbers.parse(f"+{digits.lstrip('+')}", None)
    except phonenumbers.NumberParseException:
        return "•••"
    return f"+{number.country_code} ••• ••{digits[-2:]}"


def _contact(number: int, ending: str, rng: Random, used: set[str], now: Millis) -> Contact:
    country = rng.choice(COUNTRIES)
    phone = country.mobile
    while phone == country.mobile or phone in used:
        # Without an ending: four digits that the sandbox does not treat in a fixed way, as all of those begin with 00.
        phone = f"{country.mobile} {rng.randrange(100):02}{ending or rng.randrange(1_000, 10_000)}"
    used.add(phone)
    return Contact(
        user_id=f"u-{number:04}-{rng.randrange(16**4):04x}",
        name=rng.choice(country.names),
        phone=phone if rng.random() < 0.5 else phone.replace(" ", ""),  # as people write it, or as machines do
        locale=country.locale,
        timezone=country.timezone,
        opt_in=True,
        updated_at=now,
    )
