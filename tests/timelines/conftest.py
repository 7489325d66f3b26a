"""What the diaries share."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .deliver_diary import Diary
from .fallback_diary import FallbackDiary


@pytest.fixture
def ledger_url(unused_ledger_url: str) -> str:
    return unused_ledger_url


@pytest.fixture
def deliver(ledger_url: str, tmp_path: Path) -> Iterator[Diary]:
    """A replica of deliver with a ledger of its own, on SQLite and on PostgreSQL."""
    diary = Diary(tmp_path, url=ledger_url)
    yield diary
    diary.close()


@pytest.fixture
def fallback(ledger_url: str, tmp_path: Path) -> Iterator[FallbackDiary]:
    """The same with e-mail and webhook beside WhatsApp."""
    diary = FallbackDiary(tmp_path, url=ledger_url)
    yield diary
    diary.close()


@pytest.fixture
def begin(ledger_url: str, tmp_path: Path) -> Iterator[Callable[..., Diary]]:
    """Open replicas with settings of a test's own (fields of SenderConfig), on SQLite and on PostgreSQL."""
    begun: list[Diary] = []

    def open_diary(**more: Any) -> Diary:
        begun.append(Diary(tmp_path, url=ledger_url, **more))
        return begun[-1]

    yield open_diary
    for diary in begun:
        diary.close()
