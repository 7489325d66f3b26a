"""Texts that lie in joined bytes, cut out side by side."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

ByteSpans: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Where each text starts, and how many bytes it has; none at a negative start."""


def slice_bytes(joined: bytes, spots: Mapping[str, ByteSpans]) -> dict[str, pl.Series]:
    """Columns of bytes, by their names; null where there is none."""
    columns = {}
    for name, (starts, lengths) in spots.items():
        start, none = pl.Series(starts), starts < 0
        columns[name] = start.set(pl.Series(none), None) if none.any() else start  # without a start there is no slice
        columns[f"{name} length"] = pl.Series(lengths)
    whole = pl.lit(pl.Series([joined], dtype=pl.Binary))  # (as a plain literal it takes three times as long)
    return pl.DataFrame(columns).select(whole.bin.slice(name, f"{name} length").alias(name) for name in spots).to_dict()
