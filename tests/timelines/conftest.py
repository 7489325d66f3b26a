"""What the diaries share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .deliver_diary import Diary


@pytest.fixture
def deliver(tmp_path: Path) -> Iterator[Diary]:
    """A replica of deliver with a ledger of its own."""
    diary = Diary(tmp_path)
    yield diary
    diary.close()
