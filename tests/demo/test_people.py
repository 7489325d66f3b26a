"""The demo's people could exist, and the sandbox's special numbers are theirs only where that is meant."""

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from consumer.demo.people import COUNTRIES, FLAWS, PHONE_ENDINGS, InventedPerson, agreed_numbers, masked, people
from consumer.sandbox.faults.fates import DIGITS, FATES

CROWD = people(300, seed=1, now=1_000)
BAD_PHONE = "ask at reception"


def numbers(crowd: tuple[InventedPerson, ...]) -> list[phonenumbers.PhoneNumber]:
    phones = [person.contact.phone for person in crowd]
    return [phonenumbers.parse(phone, None) for phone in phones if phone not in (None, BAD_PHONE)]


def last_digits(number: phonenumbers.PhoneNumber) -> str:
    return str(number.national_number)[-DIGITS:]


def test_the_same_seed_makes_the_same_people() -> None:
    assert people(300, seed=1, now=1_000) == CROWD
    assert people(300, seed=2, now=1_000) != CROWD


def test_every_phone_is_a_valid_mobile_number_and_nobody_shares_one() -> None:
    found = numbers(CROWD)
    assert len(found) == 300 - 5
    assert all(phonenumbers.is_valid_number(number) for number in found)
    kinds = {phonenumbers.number_type(number) for number in found}
    assert kinds <= {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
    assert len({(number.country_code, number.national_number) for number in found}) == len(found)


def test_nobody_shares_a_number_in_a_crowd_where_the_dice_repeat_some() -> None:
    crowd = people(20_000, seed=1, now=0)
    phones = [
        person.contact.phone.replace(" ", "") for person in crowd if person.contact.phone not in (None, BAD_PHONE)
    ]
    assert len(set(phones)) == len(phones) == 20_000 - 5


def test_people_of_every_country_have_its_names_its_zone_and_its_numbers() -> None:
    by_locale = {country.locale: country for country in COUNTRIES}
    seen = set()
    for person in CROWD:
        country = by_locale[person.contact.locale or ""]
        assert person.contact.timezone == country.timezone
        assert person.contact.name is None or person.contact.name in country.names
        region = country.locale[-2:]
        if person.contact.phone not in (None, BAD_PHONE):
            number = phonenumbers.parse(person.contact.phone, None)
            assert number.country_code == phonenumbers.country_code_for_region(region)
        seen.add(region)
    assert len(seen) == len(COUNTRIES) >= 12


def test_a_few_cannot_be_written_to_and_for_different_reasons() -> None:
    contacts = [person.contact for person in CROWD]
    assert sum(not contact.opt_in for contact in contacts) == 10
    assert sum(contact.phone is None for contact in contacts) == 3
    assert sum(contact.phone == BAD_PHONE for contact in contacts) == 2
    assert sum(contact.name is None for contact in contacts) == 2


def test_the_numbers_of_those_who_agreed_are_known_as_digits() -> None:
    agreed = agreed_numbers(CROWD)
    assert len(agreed) == 300 - 10 - 5
    for person in CROWD:
        if person.contact.phone not in (None, BAD_PHONE):
            number = phonenumbers.format_number(phonenumbers.parse(person.contact.phone, None), PhoneNumberFormat.E164)
            assert (number.removeprefix("+") in agreed) == person.contact.opt_in


def test_a_number_has_a_fate_only_where_one_was_meant() -> None:
    assert set(PHONE_ENDINGS) <= FATES.keys()
    assert sorted(last_digits(n) for n in numbers(CROWD) if last_digits(n) in FATES) == sorted(PHONE_ENDINGS)


def test_those_with_a_flaw_or_a_fixed_fate_are_the_forgetful_ones() -> None:
    assert sum(person.forgetful for person in CROWD) == len(FLAWS) + len(PHONE_ENDINGS)


def test_a_small_crowd_is_as_large_as_asked_for() -> None:
    assert len(people(5, seed=1, now=0)) == 5


def test_a_phone_is_shown_by_its_country_and_its_last_two_digits() -> None:
    assert masked("34612345612") == "+34 ••• ••12"
    assert masked("447400123499") == "+44 ••• ••99"


def test_what_is_no_phone_is_not_shown_at_all() -> None:
    assert masked("reception") == "•••"
    assert masked("") == "•••"
