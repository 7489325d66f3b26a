"""Which rows are contacts, and what is wrong with the others."""

from collections.abc import Mapping
from contextlib import closing
from zoneinfo import available_timezones

import pytest

from consumer.clock import DAY, Millis
from consumer.commands.contacts.csv_file import Row, UnreadableRow
from consumer.commands.contacts.known_contacts import ContactChange, merged
from consumer.commands.contacts.validation import (
    CheckedRow,
    Deletion,
    ImportRules,
    InvalidRow,
    SeenUsers,
    check_contacts,
    check_deletions,
)
from consumer.records import Contact

NOW: Millis = 1_774_785_600_000
RULES = ImportRules(region="ES", zones=frozenset(available_timezones()), now=NOW)


def judged(*cells: Mapping[str, str]) -> list[CheckedRow]:
    with closing(SeenUsers()) as seen:
        return list(check_contacts([Row(line, each) for line, each in enumerate(cells, 2)], RULES, seen))


def contact(**cells: str) -> Contact:
    (found,) = judged({"user_id": "u1", **cells})
    assert isinstance(found, ContactChange), found
    return merged(None, found)


def why(**cells: str) -> str:
    (found,) = judged({"user_id": "u1", **cells})
    assert isinstance(found, InvalidRow), found
    return found.why


def test_row_with_all_columns() -> None:
    found = contact(
        name="Ann",
        phone="+34 600 123 456",
        locale="es_ES",
        timezone="Europe/Madrid",
        email="ann@example.com",
        opt_in="Yes",
        updated_at="2026-01-01T00:00:00Z",
    )
    assert found == Contact(
        user_id="u1",
        name="Ann",
        phone="+34600123456",
        locale="es_ES",
        timezone="Europe/Madrid",
        email="ann@example.com",
        opt_in=True,
        updated_at=1_767_225_600_000,
    )


def test_row_with_a_user_id_only_has_no_consent() -> None:
    everything = dict.fromkeys(
        ("name", "phone", "locale", "timezone", "email", "opt_in", "opted_in_at", "updated_at"), ""
    )
    assert contact() == contact(**everything) == Contact(user_id="u1", opt_in=None, updated_at=NOW)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("600 123 456", "+34600123456"),  # as dialled in policy.default_region
        ("0034600123456", "+34600123456"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+5215512345678", "+5215512345678"),  # Mexico's form is WhatsApp's own business
        ("\u202a+34 600 123 456\u202c", "+34600123456"),
    ],
)
def test_phone_is_stored_with_its_country_code(written: str, stored: str) -> None:
    assert contact(phone=written).phone == stored
    assert contact(phone=stored).phone == stored


@pytest.mark.parametrize("phone", ["12", "ask at reception", "+34 600 123 456 ext. 7", "+999 600 123 456"])
def test_invalid_phone_is_not_quoted(phone: str) -> None:
    said = why(phone=phone)
    assert said.startswith("phone: ")
    assert phone not in said
    assert "600" not in said


def test_phone_rounded_by_a_spreadsheet_is_recognised() -> None:
    assert "a spreadsheet has rounded it" in why(phone="3,46E+10")
    assert "a spreadsheet has rounded it" in why(phone="3.46001E10")


@pytest.mark.parametrize("text", ["yes", "TRUE", "1"])
def test_words_for_consent(text: str) -> None:
    assert contact(opt_in=text).opt_in


@pytest.mark.parametrize("text", ["no", "False", "0"])
def test_words_for_no_consent(text: str) -> None:
    assert contact(opt_in=text).opt_in is False


def test_empty_cell_says_nothing_about_consent() -> None:
    found = contact(opt_in="", opted_in_at="")
    assert (found.opt_in, found.opted_in_at) == (None, None)


def test_time_of_the_agreement() -> None:
    assert contact(opted_in_at="2026-01-01T00:00:00Z").opted_in_at == 1_767_225_600_000
    assert why(opted_in_at=str(NOW + 1)) == "opted_in_at: is in the future"
    assert why(opted_in_at="yesterday").startswith("opted_in_at: should be a time")


@pytest.mark.parametrize("text", ["y", "ok", "2", "sí", "-"])
def test_other_words_are_no_consent(text: str) -> None:
    assert why(opt_in=text).startswith("opt_in: should be yes or no")


@pytest.mark.parametrize("text", ["en", "pt_BR", "zh-Hans-CN", "es_419"])
def test_valid_locale(text: str) -> None:
    assert contact(locale=text).locale == text


@pytest.mark.parametrize("text", ["english", "en_US.UTF-8", "e", "pt BR", "en_"])
def test_invalid_locale(text: str) -> None:
    assert why(locale=text).startswith("locale: is not a locale")


@pytest.mark.parametrize("text", ["CEST+2", "Europe/Atlantis", "../../etc/passwd", "Europe", "madrid"])
def test_invalid_time_zone(text: str) -> None:
    assert why(timezone=text).startswith("timezone: is not a time zone")


@pytest.mark.parametrize("text", ["ann@example.com", "a+b.c@mail.example.co.uk", "buch@bücher.example"])
def test_valid_email(text: str) -> None:
    assert contact(email=text).email == text


@pytest.mark.parametrize(
    "text",
    [
        "ann",
        "ann@",
        "@example.com",
        "a b@example.com",
        "Ann <ann@example.com>",
        "a@b@example.com",
        "a@example.",
        "ü@bücher.example",
        "a@localhost",
    ],
)
def test_invalid_email(text: str) -> None:
    assert why(email=text) == "email: is not an address: write it like maria@example.com"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1767225600000", 1_767_225_600_000),
        ("2026-01-01", 1_767_225_600_000),
        ("2026-01-01T01:00:00+01:00", 1_767_225_600_000),
        (str(NOW + DAY), NOW + DAY),  # two machines' clocks may differ
    ],
)
def test_updated_at_is_a_time_or_milliseconds(text: str, moment: Millis) -> None:
    assert contact(updated_at=text).updated_at == moment


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1767225600", "is before the year 2000: a number must be in milliseconds"),
        ("20260101", "is before the year 2000: a number must be in milliseconds"),
        ("-5", "should be a time such as"),
        ("01/02/2026", "should be a time such as"),
        ("²", "should be a time such as"),
        ("9" * 40, "should be a time such as"),
        (str(NOW + DAY + 1), "is in the future"),
    ],
)
def test_implausible_updated_at_is_refused(text: str, told: str) -> None:
    assert told in why(updated_at=text)


def test_all_problems_of_a_row_are_reported() -> None:
    assert why(user_id="", phone="12", locale="english").split("; ")[0] == "user_id: is empty"
    assert [part.split(":")[0] for part in why(phone="12", locale="english").split("; ")] == ["phone", "locale"]


def test_duplicate_user_is_reported() -> None:
    found = judged({"user_id": "u1"}, {"user_id": "u2"}, {"user_id": "u1"}, {"user_id": "U1"}, {"user_id": "u1"})
    assert [each for each in found if isinstance(each, InvalidRow)] == [
        InvalidRow(4, "user_id: is already on line 2"),
        InvalidRow(6, "user_id: is already on line 2"),
    ]


def test_empty_user_ids_are_not_duplicates() -> None:
    assert judged({"user_id": ""}, {"user_id": ""}) == [
        InvalidRow(2, "user_id: is empty"),
        InvalidRow(3, "user_id: is empty"),
    ]


def test_user_id_has_no_line_break() -> None:
    assert "line break" in why(user_id="u\n1")


def test_unreadable_row_is_invalid() -> None:
    with closing(SeenUsers()) as seen:
        assert list(check_contacts([UnreadableRow(7, "is torn")], RULES, seen)) == [InvalidRow(7, "is torn")]


def test_deletions_are_checked_like_contacts() -> None:
    rows = [Row(line, {"user_id": user}) for line, user in enumerate(("u1", "", "u1", "u2"), 2)]
    with closing(SeenUsers()) as seen:
        assert list(check_deletions(rows, seen)) == [
            Deletion("u1"),
            InvalidRow(3, "user_id: is empty"),
            InvalidRow(4, "user_id: is already on line 2"),
            Deletion("u2"),
        ]


@pytest.mark.parametrize("name", ['=HYPERLINK("evil")', "@SUM(A1)", "+34600123456", "-1+1"])
def test_name_that_begins_like_a_formula_is_refused(name: str) -> None:
    assert why(name=name).startswith("name: begins like a formula")
    assert name not in why(name=name)


def test_length_limits_of_name_and_user_id() -> None:
    assert contact(name="x" * 200).name == "x" * 200
    assert why(name="x" * 201) == "name: is longer than 200 characters: is this the right column?"
    assert contact(user_id="é" * 127).user_id == "é" * 127
    assert why(user_id="é" * 128) == "user_id: is longer than 255 bytes: is this the right column?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1001.0", "a decimal point"),
        ("#N/A", "where there is no value"),
        ("undefined", "where there is no value"),
        ("1,00", "a decimal point"),
        ("1.001E+3", "an exponent"),
        ("1001\u200b", "an invisible character"),
        ("\u202e1001", "an invisible character"),
        ("10\u00a001", "an invisible character"),
    ],
)
def test_user_id_with_invisible_characters_or_rounding_is_refused(text: str, said: str) -> None:
    assert said in why(user_id=text)


@pytest.mark.parametrize("text", ["1001", "a.0", "1.2.0", "10.5", "e5", "12e", "ana@example.com"])
def test_usual_user_ids(text: str) -> None:
    assert contact(user_id=text).user_id == text
