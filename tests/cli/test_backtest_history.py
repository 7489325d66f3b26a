"""A history that is put aside by groups of users is the same history."""

import polars as pl
import pytest

from consumer.commands.backtest import history as module
from consumer.commands.backtest.history import History
from consumer.insight.whole_history.activities import Activities
from consumer.records import Ending

KNOWN = pl.Enum(["checkout", "signup"])


def frame(first: int, last: int) -> pl.DataFrame:
    """Return activities of fifty users, a millisecond apart."""
    numbers = range(first, last)
    return pl.DataFrame(
        {
            "user_id": [f"user-{n * n % 50}" for n in numbers],
            "process": [("checkout", "signup", "unknown")[n % 3] for n in numbers],
            "ending": pl.Series([Ending.NONE if n % 4 else Ending.COMPLETED for n in numbers], dtype=pl.UInt8),
            "occurred_at": list(numbers),
            "written_at": list(numbers),
        }
    )


def parts() -> list[Activities]:
    with History(KNOWN) as history:
        history.add(frame(0, 700))
        history.add(frame(700, 1_000))
        assert (history.first_occurred, history.last_written) == (0, 999)
        return list(history.parts())


def rows(part: Activities) -> set[tuple[int, ...]]:
    return set(zip(*(column.tolist() for column in part[2:]), strict=True))


def test_parts_hold_each_user_whole_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    [whole] = parts()
    monkeypatch.setattr(module, "_IN_MEMORY_BYTES", 100)  # so that files are used
    monkeypatch.setattr(module, "_PART", 100)
    several = parts()
    assert len(several) > 2
    assert sum(part.size for part in several) == whole.size == 667
    assert sum(part.people for part in several) == whole.people
    assert set.union(*map(rows, several)) == rows(whole)
    for part in [whole, *several]:
        same_key = part.keys[1:] == part.keys[:-1]
        assert (part.written_at[1:] > part.written_at[:-1])[same_key].all()
