"""What a contact says about the person to write to. Pure, except for the log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import structlog

from consumer.clock import Millis
from consumer.deliver.policy.main_zones import MAIN_ZONES
from consumer.deliver.policy.personal_text import TextCheck, usable_name
from consumer.email_address import normalize_email
from consumer.ledger.schema.rows import ContactRow
from consumer.onemsg.phone import Phone, PhoneProblem, normalize_phone
from consumer.send_window import Window, common_opening, next_opening, zone_of

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One contact, read. `phone` is digits with country code; `zones` are those that a phone can be in."""

    name: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    bad_phone: bool = False
    region: str | None = None
    zones: tuple[ZoneInfo, ...] = ()
    email: str | None = field(default=None, repr=False)
    bad_email: bool = False
    locale: str | None = None
    opt_in: bool | None = None
    error: str | None = None
    """The class of the error that reading the contact raised; then nothing else is known."""


def read_people(
    contacts: Mapping[str, ContactRow],
    default_region: str | None,
    *,
    with_zones: bool,
    text_check: TextCheck = "strict",
) -> dict[str, Person]:
    """Return the person of each contact, by user. A contact whose fields raise an error has only that.

    `zones` stays empty unless `with_zones` is set, since looking them up takes a third of the time.
    """
    people = {}
    for user, contact in contacts.items():
        try:
            people[user] = _read(contact, default_region, with_zones, text_check)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one contact must not stop the others
            people[user] = Person(error=type(error).__name__)
    return people


def read_phone(phone: str | None, default_region: str | None) -> Phone | PhoneProblem:
    """Return what `normalize_phone` makes of a contact's phone; a text on which it fails is `bad_phone`."""
    try:
        return normalize_phone(phone, default_region)
    except Exception as error:  # noqa: BLE001 - as in `read_people`
        log.error("phone_unreadable", error=type(error).__name__)
        return PhoneProblem(reason="bad_phone", error="it cannot be read")


def opens_at(now: Millis, window: Window, person: Person | None, default_zone: ZoneInfo) -> Millis:
    """Return when this window opens next for a person: in all the zones that they may be in.

    Where these zones have no opening in common (the country is too wide), the zone in which most of its people live
    decides; where none is known, `default_zone`.
    """
    common = common_opening(now, person.zones, window) if person and person.zones else None
    if common is not None:
        return common
    main_zone = zone_of(MAIN_ZONES.get(person.region or "")) if person and person.zones else None
    return next_opening(now, main_zone or default_zone, window)


def _read(contact: ContactRow, default_region: str | None, with_zones: bool, text_check: TextCheck) -> Person:
    phone = read_phone(contact.phone, default_region)
    found = phone if isinstance(phone, Phone) else None
    email = normalize_email(contact.email) if contact.email else None
    return Person(
        name=usable_name(contact.name, text_check),
        phone=found.digits if found else None,
        bad_phone=isinstance(phone, PhoneProblem) and phone.reason == "bad_phone",
        region=found.region if found else None,
        zones=_zones(contact.timezone, found) if with_zones else (),
        email=email,
        bad_email=bool(contact.email and contact.email.strip() and not email),
        locale=contact.locale,
        opt_in=contact.opt_in,
    )


def _zones(timezone: str | None, phone: Phone | None) -> tuple[ZoneInfo, ...]:
    """Return the zone that the contact names, or else those of the phone."""
    named = zone_of(timezone)
    if named is not None:
        return (named,)
    return tuple(zone for name in phone.zones if (zone := zone_of(name))) if phone else ()
