"""Texts among other bytes: what is cut out, hashed and compared is what a list of strings says."""

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings

from consumer.byte_columns.compiled_texts import count_characters, places_among
from consumer.byte_columns.siphash import SipHash
from consumer.byte_columns.text_spans import WORD_BYTES, TextSpans, series_of, spans_of

SIP = SipHash(bytes(range(16)))
texts = st.none() | st.text(max_size=30) | st.text("ab", max_size=20)
columns = st.lists(texts, max_size=12)


def series(written: list[str | None]) -> pl.Series:
    return pl.Series(written, dtype=pl.String)


@settings(deadline=None)
@given(columns, columns, st.data())
def test_what_is_cut_out_is_what_lies_there(
    one: list[str | None], other: list[str | None], data: st.DataObject
) -> None:
    spans, every = TextSpans.concatenated([TextSpans.of(series(one)), TextSpans.of(series(other))]), one + other
    assert series_of(spans).to_list() == every
    rows = data.draw(st.lists(st.integers(0, len(every) - 1))) if every else []
    some = spans.gather(np.array(rows, np.int64))
    assert series_of(some).to_list() == [every[row] for row in rows]
    start, count = data.draw(st.integers(0, 12)), data.draw(st.integers(0, 12))
    assert series_of(some.slice(start, count)).to_list() == [every[row] for row in rows[start : start + count]]
    assert some.packed()[0].tobytes() == "".join(every[row] or "" for row in rows).encode()
    assert spans_of(spans) is spans
    assert spans.data.size >= (spans.starts + spans.lengths).max(initial=0) + WORD_BYTES


def test_no_text_lies_nowhere_whatever_its_length() -> None:
    """No byte is looked at, neither at its start nor so far behind it."""
    data = np.full(64, 0xFF, np.uint8)
    none = TextSpans(data, np.array([-1, -9]), np.array([9, 8]))
    assert series_of(none).to_list() == [None, None]
    assert count_characters(none).tolist() == [0, 0]
    for half, of_empty in zip(SIP(none), SIP(TextSpans.of(series([""]))), strict=True):
        assert half.tolist() == 2 * of_empty.tolist()


@settings(deadline=None)
@given(columns, st.lists(st.text(max_size=20) | st.text("ab", max_size=20), max_size=8))
def test_they_are_judged_as_strings_are(written: list[str | None], names: list[str]) -> None:
    spans = TextSpans.of(series(written))
    assert count_characters(spans).tolist() == [len(text or "") for text in written]
    said = [text or "" for text in written] + names
    found = places_among(TextSpans.of(series([*names])), TextSpans.of(series([*said])))
    assert found.tolist() == [names.index(text) if text in names else -1 for text in said]


some_bytes = st.one_of(
    st.binary(max_size=12),
    st.lists(st.sampled_from([0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF])).map(bytes),
    st.lists(st.sampled_from([0x41, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xE0, 0xE1, 0xED, 0xEF])).map(bytes),
    st.lists(st.sampled_from([0x41, 0x80, 0x8F, 0x90, 0xBF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF])).map(bytes),
    st.builds(lambda text, cut: text.encode()[:cut], st.text(max_size=9), st.integers(0, 30)),
)


@settings(deadline=None, max_examples=500)
@given(st.lists(some_bytes, max_size=12))
def test_what_is_utf8_to_python_is_utf8(written: list[bytes]) -> None:
    ends = np.cumsum([0, *map(len, written)])
    data = np.frombuffer(b"".join(written) + bytes(WORD_BYTES), np.uint8)
    spans = TextSpans(data, ends[:-1].astype(np.int64), np.diff(ends).astype(np.int64))
    assert count_characters(spans).tolist() == [characters_in(each) for each in written]


def test_each_lead_is_judged_with_what_follows() -> None:
    lead, second, third = (each.ravel() for each in np.meshgrid(*[np.arange(0x7E, 0x100, dtype=np.uint8)] * 3))
    fourth = np.full(lead.size, 0x80, np.uint8)
    for width in (2, 3, 4):
        data = np.stack([lead, second, third, fourth][:width], axis=1)
        starts = np.arange(0, data.size, width)
        padded = np.concatenate([data.ravel(), np.zeros(WORD_BYTES, np.uint8)])
        found = count_characters(TextSpans(padded, starts, np.full(starts.size, width)))
        chosen = range(0, starts.size, 37)
        assert [found[n] for n in chosen] == [characters_in(data[n].tobytes()) for n in chosen]


def characters_in(text: bytes) -> int:
    try:
        return len(text.decode())
    except UnicodeDecodeError:
        return -1


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, "a3817f04ba25a8e66df67214c7550293"),
        (1, "da87c1d86b99af44347659119b22fc45"),
        (2, "8177228da4a45dc7fca38bdef60affe4"),
        (63, "5150d1772f50834a503e069a973fbd7c"),
    ],
)
def test_hashes_are_those_of_the_reference(length: int, expected: str) -> None:
    """Vectors of SipHash-2-4-128's own implementation (Aumasson and Bernstein), which are published with it."""
    text = "".join(map(chr, range(length)))
    low, high = SIP(TextSpans.of(series(["other", text, None])))
    assert (int(low[1]).to_bytes(8, "little") + int(high[1]).to_bytes(8, "little")).hex() == expected


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), max_size=12))
def test_a_text_has_the_same_hash_wherever_it_lies(written: list[str]) -> None:
    spans = TextSpans.of(series([*written]))
    backwards = SIP(spans.gather(np.arange(len(written))[::-1]))
    for half, turned in zip(SIP(spans), backwards, strict=True):
        assert half.tolist() == turned[::-1].tolist()
    alone = [SIP(TextSpans.of(series([text]))) for text in written]
    assert [(int(low[0]), int(high[0])) for low, high in alone] == list(zip(*map(list, SIP(spans)), strict=True))


def test_another_key_is_another_hash() -> None:
    spans = TextSpans.of(series(["ann"]))
    assert SIP(spans)[0][0] != SipHash(bytes(16))(spans)[0][0]
