"""Arrays that grow at their end a little at a time and are rarely copied."""

import mmap
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

_LARGE_PAGE_BYTES = 1 << 21
_RESERVE_FACTOR = 8
"""Address space reserved for each byte asked for; small arrays, and systems that refuse it, get _MIN_RESERVE_FACTOR."""
_MIN_RESERVE_FACTOR = 2


class GrowableArray:
    """An array at the start of a far longer reservation, of which only touched pages take memory.

    To grow it touches more of the reservation; it is copied only when that is full. Resized in place
    (`ndarray.resize`) it would move each time and lose its large memory pages, with which an access to a row is a
    quarter faster and filling an array takes a fifth of the time.
    """

    def __init__(self, dtype: npt.DTypeLike, blank: Any = None) -> None:
        """`blank` is the value of new entries; with None they are not initialised."""
        self._reserved: npt.NDArray[Any] = np.empty(0, dtype)
        self._blank = None if blank is None else _as_words(np.array([blank], dtype))
        self._size = 0

    def resize(self, size: int) -> npt.NDArray[Any]:
        """Return the array with this many entries. Arrays returned before must no longer be used."""
        kept, whole = min(self._size, size), self._reserved
        if size < self._size or size > whole.size:  # shrinking moves too, so that the touched memory is released
            self._reserved = _allocate(size * whole.dtype.itemsize).view(whole.dtype)
            _as_words(self._reserved[:kept])[:] = _as_words(whole[:kept])
        self._size = size
        if self._blank is not None:
            _as_words(self._reserved[kept:size])[:] = self._blank
        return self._reserved[:size]


def _allocate(size: int) -> npt.NDArray[np.uint8]:
    """Return `size` bytes and spare room behind them, mapped from the system so that they are given back at once: the C
    library would keep arrays under 32 MB."""
    if _MIN_RESERVE_FACTOR * size < _LARGE_PAGE_BYTES:
        return np.empty(_MIN_RESERVE_FACTOR * size, np.uint8)
    try:
        memory = _map_memory(_RESERVE_FACTOR * size)
    except OSError:  # a system that does not overcommit memory
        memory = _map_memory(_MIN_RESERVE_FACTOR * size)
    with suppress(AttributeError, OSError):  # other systems, or kernels without large pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.uint8)


def _map_memory(size: int) -> mmap.mmap:
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _as_words(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a view of structured rows as whole words, which numpy copies and fills several times as fast."""
    size = array.dtype.itemsize
    return array.view(np.int64).reshape(-1, size // 8) if size % 8 == 0 else array
