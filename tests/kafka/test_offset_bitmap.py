"""Marks beside a set of Python's own."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka.dead_letters.offset_bitmap import OffsetBitmap

OFFSETS = st.integers(990, 1_100)


@given(st.lists(st.tuples(st.booleans(), OFFSETS)))
def test_marks_are_a_set_of_what_is_not_before_their_start(told: list[tuple[bool, int]]) -> None:
    marks, plain = OffsetBitmap(1_000), set[int]()
    for adding, offset in told:
        if adding:
            marks.add(offset)
            plain |= {offset} if offset >= 1_000 else set()
        else:
            marks.discard(offset)
            plain.discard(offset)
    assert {offset for offset in range(900, 1_300) if offset in marks} == plain
    assert len(marks) == len(plain)
    assert marks.span() == range(1_000, max(plain, default=999) + 1)
