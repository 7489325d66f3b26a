"""A set of offsets with one bit for each, since a topic may hold millions of dead letters."""


class OffsetBitmap:
    """Offsets of one partition from `start` on. Lower ones have left the topic and are not kept."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._bits = bytearray()

    def add(self, offset: int) -> None:
        byte, bit = divmod(offset - self._start, 8)
        if byte >= 0:
            self._bits.extend(bytes(max(0, byte + 1 - len(self._bits))))
            self._bits[byte] |= 1 << bit

    def discard(self, offset: int) -> None:
        if offset in self:
            byte, bit = divmod(offset - self._start, 8)
            self._bits[byte] ^= 1 << bit

    def span(self) -> range:
        """Return the range from `start` to behind the last offset."""
        length = len(self._bits.rstrip(b"\0"))
        last = self._bits[length - 1].bit_length() if length else 0
        return range(self._start, self._start + 8 * max(0, length - 1) + last)

    def __contains__(self, offset: int) -> bool:
        byte, bit = divmod(offset - self._start, 8)
        return 0 <= byte < len(self._bits) and bool(self._bits[byte] >> bit & 1)

    def __len__(self) -> int:
        return int.from_bytes(self._bits).bit_count()
