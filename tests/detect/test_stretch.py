"""A stretch against a list, whatever it grows to and shrinks to."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from consumer.detect.storage.growable_array import GrowableArray


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), max_size=20))
def test_it_keeps_what_it_holds_and_new_places_are_blank(sizes: list[int]) -> None:
    stretch, plain = GrowableArray(np.int64, -1), list[int]()
    for turn, size in enumerate(sizes):
        array = stretch.resize(size)
        plain = plain[:size] + [-1] * (size - len(plain))
        assert array.tolist() == plain
        array[:] = plain = [turn * 100 + n for n in range(size)]
