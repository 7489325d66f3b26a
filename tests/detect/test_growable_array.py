"""A growable array against a list, whatever it is resized to."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from consumer.detect.storage.growable_array import GrowableArray


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=20))
def test_resize_keeps_entries_and_new_ones_are_blank(sizes: list[int]) -> None:
    grown, plain = GrowableArray(np.int64, -1), list[int]()
    for turn, size in enumerate(sizes):
        array = grown.resize(size)
        plain = plain[:size] + [-1] * (size - len(plain))
        assert array.tolist() == plain
        array[:] = plain = [turn * 100 + n for n in range(size)]
