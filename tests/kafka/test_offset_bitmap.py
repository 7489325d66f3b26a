"""An OffsetBitmap against a set."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka.dead_letters.offset_bitmap import OffsetBitmap

OFFSETS = st.integers(990, 1_100)


@given(st.lists(st.tuples(st.booleans(), OFFSETS)))
def test_bitmap_is_a_set_of_the_offsets_from_start_on(changes: list[tuple[bool, int]]) -> None:
    bitmap, plain = OffsetBitmap(1_000), set[int]()
    for adding, offset in changes:
        if adding:
            bitmap.add(offset)
            plain |= {offset} if offset >= 1_000 else set()
        else:
            bitmap.discard(offset)
            plain.discard(offset)
    assert {offset for offset in range(900, 1_300) if offset in bitmap} == plain
    assert len(bitmap) == len(plain)
    assert bitmap.span() == range(1_000, max(plain, default=999) + 1)
