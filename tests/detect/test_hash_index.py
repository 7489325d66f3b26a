"""The key index against a dictionary, with hashes poor enough to collide all the time."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings

from consumer.detect.storage.hash_index import KeyIndex

keys = st.lists(st.integers(0, 40), unique=True, min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["put", "take", "rebuild"]), keys), max_size=12))
def test_finds_exactly_the_keys_inserted_and_not_removed(turns: list[tuple[str, list[int]]]) -> None:
    low = np.zeros(64, np.uint64)
    high = np.zeros(64, np.uint64)
    low[:41] = np.arange(41) // 8 + 1020  # eight keys to a hash, close to the end so that probing wraps
    high[:41] = np.arange(41)
    index, there = KeyIndex(), set[int]()
    for turn, chosen in turns:
        rows = np.array([k for k in chosen if (k in there) != (turn == "put")], np.int64)
        if turn == "rebuild":
            everybody = np.array(sorted(there), np.int64)
            index.rebuild(low[everybody], everybody)
        elif turn == "put":
            index.insert(low[rows], rows)
            there |= set(rows.tolist())
        else:
            index.remove(low[rows], rows)
            there -= set(rows.tolist())
        everyone = np.arange(41)
        found = index.find(low[everyone], high[everyone], low, high)
        assert found.tolist() == [k if k in there else -1 for k in range(41)]
