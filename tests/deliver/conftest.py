"""A replica of deliver for tests of its parts, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..timelines.deliver_diary import Diary


@pytest.fixture
def ledger_url(unused_ledger_url: str) -> str:
    return unused_ledger_url


@pytest.fixture
def diary(ledger_url: str, tmp_path: Path) -> Iterator[Diary]:
    diary = Diary(tmp_path, url=ledger_url)
    yield diary
    diary.close()
