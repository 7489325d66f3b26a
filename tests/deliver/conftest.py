"""A replica of deliver for tests that need its parts rather than a story."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..timelines.deliver_diary import Diary


@pytest.fixture
def diary(tmp_path: Path) -> Iterator[Diary]:
    diary = Diary(tmp_path)
    yield diary
    diary.close()
