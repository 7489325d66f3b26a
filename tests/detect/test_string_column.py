"""A string column against a dictionary, whatever is stored where."""

import hypothesis.strategies as st
import numpy as np
import polars as pl
from hypothesis import given, settings

from consumer.byte_columns.cells import join
from consumer.byte_columns.slices import slice_bytes
from consumer.detect.storage.string_column import StringColumn

ROWS = 12
TEXTS = st.none() | st.text(max_size=20)


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.integers(0, ROWS - 1), TEXTS, min_size=1)), st.lists(st.integers(0, ROWS - 1)))
def test_each_row_holds_the_text_stored_last(puts: list[dict[int, str | None]], asked: list[int]) -> None:
    strings, plain = StringColumn(), dict[int, str | None]()
    strings.resize(ROWS)
    for texts in puts:
        strings.put(np.array(list(texts), np.int64), pl.Series(list(texts.values()), dtype=pl.String))
        plain |= texts
    rows, expected = np.array(asked, np.int64), [plain.get(row) for row in asked]
    assert strings.get(rows) == expected
    joined, spans = strings.spans(rows)
    assert slice_bytes(joined.tobytes(), {"text": spans})["text"].cast(pl.String).to_list() == expected
    assert join([strings.cells(rows)]) == [(text or "").encode() for text in expected]
