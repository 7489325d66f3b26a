"""What is believed of the records of the opt-outs topic."""

import pytest

from consumer.wiring.deliver.opt_outs_topic import read_lifted_at


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
