"""What is believed of the records of the opt-outs topic."""

import pytest

from consumer.wiring.deliver.opt_outs_topic import key_of, read_lifted_at, subject_of


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (b"1790000000000", 1_790_000_000_000),
        (b"0", 0),
        *((each, None) for each in (None, b"", b"-1", b"1.5", b"\xff", b"\xd9\xa1", b" 1", b"9" * 19, b"9" * 5_000)),
    ],
)
def test_time_of_a_lifted_opt_out_is_a_number_or_none(header: bytes | None, found: int | None) -> None:
    assert read_lifted_at(header) == found


@pytest.mark.parametrize(
    ("subject", "key"),
    [
        ("user:maria", b"maria"),
        ("user:email:maria@example.com", b"email:maria@example.com"),
        ("phone:" + 64 * "a", b"phone:" + 64 * b"a"),
        ("email:" + 64 * "0", b"email:" + 64 * b"0"),
    ],
)
def test_key_of_a_record_leads_back_to_whom_it_is_about(subject: str, key: bytes) -> None:
    assert key_of(subject) == key
    assert subject_of(key) == subject
