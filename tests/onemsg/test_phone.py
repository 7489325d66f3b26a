"""docs/1msg.md#phone-numbers: what is sent to, what is refused, and whose number a reported one is."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.onemsg.phone import Phone, PhoneProblem, normalize_phone, same_recipient


def digits(phone: str, region: str | None = None) -> str:
    found = normalize_phone(phone, region)
    assert isinstance(found, Phone), found
    return found.digits


@pytest.mark.parametrize(
    ("phone", "sent"),
    [
        ("+15551230000", "15551230000"),
        ("15551230000", "15551230000"),
        ("+1 (555) 123-0000", "15551230000"),
        ("(+34) 600 111 222", "34600111222"),
        ("0034600111222", "34600111222"),
        ("+34.600.111.222", "34600111222"),
        ("+49 30/123456", "4930123456"),
        ("\u202a+34\u00a0600\u2011111\u2011222\u202c", "34600111222"),
        ("＋34 600111222", "34600111222"),
        ("+٣٤ ٦٠٠ ١١١ ٢٢٢", "34600111222"),
        ("  +34600111222\n", "34600111222"),
        ("+390612345678", "390612345678"),  # Italy's zero is part of the number
        ("+44 (0)20 7946 0958", "442079460958"),  # England's is not
        ("+58 0412 1234567", "584121234567"),
        ("+77012345678", "77012345678"),
    ],
)
def test_a_number_with_its_country_code_is_sent_as_digits(phone: str, sent: str) -> None:
    assert digits(phone) == sent
    assert digits(phone, "DE") == sent or not phone.strip().startswith(("+", "00"))


@pytest.mark.parametrize(
    "number",
    [
        "5215512345678",
        "525512345678",
        "5511912345678",
        "551187654321",
        "551132345678",
        "5491123456789",
        "541123456789",
        "5401123456789",
    ],
)
@pytest.mark.parametrize("region", [None, "MX", "BR", "AR", "ES"])
def test_mexican_brazilian_and_argentine_digits_are_never_rewritten(number: str, region: str | None) -> None:
    assert digits(f"+{number}", region) == number
    assert digits(number) == number


def test_extra_zero_in_a_brazilian_number_is_kept() -> None:
    assert digits("5501187654321", "BR") == "5501187654321"


@pytest.mark.parametrize(
    ("phone", "region", "sent"),
    [
        ("600 111 222", "ES", "34600111222"),
        ("600 111 222", "es", "34600111222"),
        ("34600111222", "ES", "34600111222"),
        ("030 123456", "DE", "4930123456"),
        ("(555) 123-0000", "US", "15551230000"),
        ("15551230000", "US", "15551230000"),
        ("55 1234 5678", "MX", "525512345678"),
        ("5215512345678", "MX", "5215512345678"),
        ("11 91234-5678", "BR", "5511912345678"),
        ("5511912345678", "BR", "5511912345678"),
        ("+15551230000", "ES", "15551230000"),
        ("34612345678", "DE", "34612345678"),  # a mobile in Spain; the German reading would be a landline
        ("33 98765-4321", "BR", "5533987654321"),  # a mobile in Minas Gerais; the French reading is no mobile
        ("89161234567", "RU", "79161234567"),
        ("06 12345678", "IT", "390612345678"),
    ],
)
def test_a_number_without_a_code_is_read_in_the_default_region(phone: str, region: str, sent: str) -> None:
    assert digits(phone, region) == sent


@pytest.mark.parametrize(
    ("phone", "region", "why"),
    [
        ("7700900123.0", "GB", "a decimal point"),  # 77009001230 is a number in Kazakhstan
        ("3331234567.0", "IT", "a decimal point"),
        ("+34600111222.0", None, "a decimal point"),
        ("600111222,00", "ES", "a decimal point"),
        ("4.47700900123E11", "GB", "an exponent"),
        ("4,47700900123e+11", "GB", "an exponent"),
        ("0800 FLOWERS", "GB", "letters"),
        ("1 55 1234 5678", "MX", "outside MX"),  # 15512345678 is a number in New Jersey
        ("491701234567", "ES", "outside ES"),
        ("15123456789", "DE", "two readings"),  # a mobile without its zero, or one in Texas
        ("0151123456789012", "DE", "no number has this form"),  # 17 digits with its country code
        ("10000000000000", "DE", "no number has this form"),
        ("0919876543210", "IN", "country code of IN"),  # +91 91 9876543210, if 91 counts as part of the number
        ("4407700900", "GB", "country code of GB"),
    ],
)
def test_ambiguous_number_is_bad_phone_with_a_reason(phone: str, region: str | None, why: str) -> None:
    found = normalize_phone(phone, region)
    assert isinstance(found, PhoneProblem), found
    assert found.reason == "bad_phone"
    assert why in found.error
    assert "".join(c for c in phone if c.isdigit()) not in found.error


@pytest.mark.parametrize("phone", [None, "", "   ", "\u200b\u202c"])
def test_no_phone_is_no_phone(phone: str | None) -> None:
    found = normalize_phone(phone)
    assert isinstance(found, PhoneProblem)
    assert found.reason == "no_phone"


@pytest.mark.parametrize(
    "phone",
    [
        "1-800-FLOWERS",
        "+34600111222 ext 5",
        "+34600111222x5",
        "tel:+34600111222",
        "15551230000@c.us",
        "US.1234567890",
        "unknown",
        "+34600111222;1",
        "+34#600111222",
        "34+600111222",
        "++34600111222",
        "+346001112223",  # too long for Spain
        "+3460011122",  # too short
        "600111222333444555",
        "+1234",
        "+999123456789",  # no country
        "0000000000",
        "+",
        "-",
        "()",
        "٣²٤",
        "+34600111222 / +34600111223",
        "1" * 5000,
        "+" + "3" * 5000,
        "🙂",
    ],
)
@pytest.mark.parametrize("region", [None, "ES", "XX", ""])
def test_text_is_bad_phone_and_not_quoted(phone: str, region: str | None) -> None:
    found = normalize_phone(phone, region)
    assert isinstance(found, PhoneProblem), found
    assert found.reason == "bad_phone"
    assert phone not in found.error or len(phone) < 3


def test_a_national_number_without_a_region_is_bad() -> None:
    assert isinstance(normalize_phone("0600111222"), PhoneProblem)


@pytest.mark.parametrize(
    ("phone", "region", "zone"),
    [
        ("+34600111222", "ES", "Europe/Madrid"),
        ("+525512345678", "MX", "America/Mexico_City"),
        ("+5215512345678", "MX", "America/Mexico_City"),
        ("+5511912345678", "BR", "America/Sao_Paulo"),
        ("+15551230000", "US", "America/New_York"),
        ("+12125551234", "US", "America/New_York"),
        ("+77012345678", "KZ", "Asia/Almaty"),
    ],
)
def test_number_has_country_and_time_zones(phone: str, region: str, zone: str) -> None:
    found = normalize_phone(phone)
    assert isinstance(found, Phone)
    assert found.region == region
    assert zone in found.zones
    assert "Etc/Unknown" not in found.zones


def test_number_without_country_has_none() -> None:
    found = normalize_phone("+88213123456")
    assert isinstance(found, Phone)
    assert found.region is None


@pytest.mark.parametrize(
    "forms",
    [
        ("5215512345678", "525512345678"),
        ("5531987654321", "553187654321"),
        ("5491123456789", "541123456789"),
        ("5804121234567", "584121234567"),
        ("15551230000", "15551230000"),
    ],
)
def test_forms_of_one_number_are_the_same_recipient(forms: tuple[str, str]) -> None:
    assert same_recipient(*forms)
    assert same_recipient(*reversed(forms))


def test_different_numbers_are_different_recipients() -> None:
    numbers = [
        "525512345678",
        "525512345679",
        "551132345678",  # a landline, which has no ninth digit …
        "5511932345678",  # … so this is somebody else
        "553187654321",
        "541123456789",
        "15551230000",
        "34600111222",
        "34600111223",
        "1",
        "",
    ]
    assert not [pair for pair in combinations(numbers, 2) if same_recipient(*pair)]


def test_phone_is_not_in_its_repr() -> None:
    assert "600" not in repr(normalize_phone("+34600111222"))


@given(st.text(max_size=60), st.sampled_from([None, "ES", "US", "MX", "??", ""]))
def test_any_text_is_a_phone_or_a_problem(text: str, region: str | None) -> None:
    found = normalize_phone(text, region)
    if isinstance(found, PhoneProblem):
        assert found.reason in {"no_phone", "bad_phone"}
    else:
        assert found.digits.isascii()
        assert found.digits.isdigit()
        assert 6 <= len(found.digits) <= 15


@given(st.text(alphabet="0123456789+-() ", max_size=25), st.sampled_from([None, "ES", "US", "MX", "BR", "AR", "DE"]))
def test_normalized_number_is_stable(text: str, region: str | None) -> None:
    found = normalize_phone(text, region)
    if isinstance(found, Phone):
        assert digits(f"+{found.digits}") == found.digits
        assert same_recipient(found.digits, found.digits)


@given(st.text(alphabet="0123456789", max_size=16), st.text(alphabet="0123456789", max_size=16))
def test_same_recipient_is_symmetric(one: str, other: str) -> None:
    assert same_recipient(one, other) == same_recipient(other, one)
    assert same_recipient(one, one)
