"""Reads small files whole, and no others: a wrong path may name one without end."""

import errno
from pathlib import Path


def read_text(path: Path, most: int, encoding: str = "utf-8") -> str:
    """Return the file's text. Raises OSError, also if it has more than `most` bytes, and UnicodeDecodeError."""
    with path.open("rb") as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes: is it the right file?")
    return found.decode(encoding)
