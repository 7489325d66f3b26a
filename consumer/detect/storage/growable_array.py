"""Arrays that grow at their end, a little at a time, and seldom move."""

import mmap
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

_LARGE_PAGE = 1 << 21
_ROOM = 8
"""How many times as long as was asked for; where the system does not grant that, and of small ones, _LEAST_ROOM."""
_LEAST_ROOM = 2


class GrowableArray:
    """An array at the start of a far longer one, which the system backs with memory only as far as it was touched.

    So to grow is to touch some more of it; it is copied when that one is full. Resized in place (`ndarray.resize`), it
    would move each time, and lose its large memory pages: with those every trip to a row is a quarter shorter, and to
    fill an array takes a fifth of the time.
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
            self._whole = _memory(size * whole.dtype.itemsize).view(whole.dtype)
            _words(self._whole[:kept])[:] = _words(whole[:kept])
        self._size = size
        if self._blank is not None:
            _words(self._whole[kept:size])[:] = self._blank
        return self._whole[:size]


def _memory(size: int) -> npt.NDArray[np.uint8]:
    """So many bytes and room behind them, from the system itself, to which they go back whole: of arrays under 32 MB
    the C library would keep them."""
    if _LEAST_ROOM * size < _LARGE_PAGE:
        return np.empty(_LEAST_ROOM * size, np.uint8)
    try:
        memory = _mapped(_ROOM * size)
    except OSError:  # a system that promises no more than it has
        memory = _mapped(_LEAST_ROOM * size)
    with suppress(AttributeError, OSError):  # other systems, or kernels without large pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.uint8)


def _mapped(size: int) -> mmap.mmap:
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _words(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows of several fields as rows of whole words, which numpy copies and fills several times as fast."""
    size = array.dtype.itemsize
    return array.view(np.int64).reshape(-1, size // 8) if size % 8 == 0 else array
