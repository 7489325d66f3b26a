"""What the diaries share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .deliver_diary import Diary


@pytest.fixture
def ledger_url(unused_ledger_url: str) -> str:
    return unused_ledger_url


@pytest.fixture
def deliver(ledger_url: str, tmp_path: Path) -> Iterator[Diary]:
    """A replica of deliver with a ledger of its own, on SQLite and on PostgreSQL."""
    diary = Diary(tmp_path, url=ledger_url)
    yield diary
    diary.close()
