"""A string column against a dictionary, whatever is stored where."""

import hypothesis.strategies as st
import numpy as np
import polars as pl
from hypothesis import given, settings

from consumer.byte_columns.cells import join
from consumer.byte_columns.slices import slice_bytes
from consumer.byte_columns.text_spans import TextSpans
from consumer.detect.storage.string_column import StringColumn

ROWS = 12
TEXTS = st.none() | st.text(max_size=20)


def among_others(texts: pl.Series) -> TextSpans:
    """Return the texts, which lie in reverse order among others."""
    every = TextSpans.of(pl.concat([pl.Series(["?"]), texts.reverse()]).fill_null("?"))
    spans = every.gather(np.arange(len(texts), 0, -1))
    return TextSpans(spans.data, np.where(texts.is_null().to_numpy(), -1, spans.starts), spans.lengths)


@settings(deadline=None)
@given(
    st.lists(st.dictionaries(st.integers(0, ROWS - 1), TEXTS, min_size=1)),
    st.lists(st.tuples(st.integers(0, ROWS - 1), st.booleans())),
    st.booleans(),
)
def test_each_row_holds_the_text_stored_last(
    puts: list[dict[int, str | None]], asked: list[tuple[int, bool]], where_they_lie: bool
) -> None:
    strings, plain = StringColumn(), dict[int, str | None]()
    strings.resize(ROWS)
    for texts in puts:
        series = pl.Series(list(texts.values()), dtype=pl.String)
        strings.put(np.array(list(texts), np.int64), among_others(series) if where_they_lie else series)
        plain |= texts
    rows, expected = np.array([row for row, _ in asked], np.int64), [plain.get(row) for row, _ in asked]
    assert strings.get(rows) == expected
    joined, spans = strings.spans(rows, np.array([wanted for _, wanted in asked], np.bool_))
    cut = slice_bytes(joined.tobytes(), {"text": spans})["text"].cast(pl.String).to_list()
    assert cut == [text if wanted else None for text, (_, wanted) in zip(expected, asked, strict=True)]
    assert join([strings.cells(rows)]) == [(text or "").encode() for text in expected]
