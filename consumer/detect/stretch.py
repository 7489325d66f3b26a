"""Arrays that grow at their end, a little at a time, and seldom move."""

from typing import Any

import numpy as np
import numpy.typing as npt


class Stretch:
    """An array at the start of one twice as long, which the system backs with memory only as far as it was touched.

    So to grow is to touch some more of it; it is copied when it has doubled. Resized in place (`ndarray.resize`), it
    would move each time, out of the large memory pages that numpy asks the system for: with those every trip to a row
    is a quarter shorter, and to fill an array takes a fifth of the time.
    """

    def __init__(self, dtype: npt.DTypeLike, blank: Any = None) -> None:
        """`blank` is what new places hold; None: whatever happens to be there."""
        self._whole: npt.NDArray[Any] = np.empty(0, dtype)
        self._blank = None if blank is None else _words(np.array([blank], dtype))
        self._size = 0

    def resize(self, size: int) -> npt.NDArray[Any]:
        """The array with this many places. Arrays that were returned before are used no longer."""
        kept, whole = min(self._size, size), self._whole
        if size < self._size or size > whole.size:  # (to shrink is to move: what was touched goes back as a whole)
            self._whole = np.empty(2 * size, whole.dtype)
            self._whole[:kept] = whole[:kept]
        self._size = size
        if self._blank is not None:
            _words(self._whole[kept:size])[:] = self._blank
        return self._whole[:size]


def _words(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows of several fields as rows of whole words, which numpy fills several times as fast."""
    size = array.dtype.itemsize
    return array.view(np.int64).reshape(-1, size // 8) if size % 8 == 0 else array
