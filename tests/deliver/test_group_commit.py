"""Many callers share one write."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from consumer.deliver.group_commit import GroupCommit


class Book:
    """What was written, group by group; the first write waits until it may go on."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.may_write = threading.Event()
        self.refuses: set[int] = set()

    def write(self, items: Sequence[int]) -> None:
        self.may_write.wait(10)
        if self.refuses.intersection(items):
            raise OSError("disk full")
        self.groups.append(list(items))


def test_whoever_comes_while_a_write_is_under_way_shares_the_next_one() -> None:
    work = Book()

    async def story() -> None:
        grouped = GroupCommit(work.write, max_items=50)
        callers = [asyncio.create_task(grouped.submit(0))]
        await asyncio.sleep(0.05)
        callers += [asyncio.create_task(grouped.submit(n)) for n in range(1, 81)]
        await asyncio.sleep(0.05)
        assert not any(caller.done() for caller in callers)
        work.may_write.set()
        await asyncio.gather(*callers)

    asyncio.run(story())
    assert work.groups == [[0], list(range(1, 51)), list(range(51, 81))]


def test_a_write_that_fails_is_told_to_its_own_callers_and_to_no_other() -> None:
    work = Book()
    work.may_write.set()
    work.refuses = {2}

    async def story() -> list[BaseException | None]:
        grouped = GroupCommit(work.write, max_items=2)
        return await asyncio.gather(*(grouped.submit(n) for n in range(5)), return_exceptions=True)

    answers = asyncio.run(story())
    assert [type(answer) for answer in answers] == [type(None), type(None), OSError, OSError, type(None)]
    assert work.groups == [[0, 1], [4]]


def test_a_caller_who_goes_away_takes_nothing_with_him() -> None:
    work = Book()

    async def story() -> None:
        grouped = GroupCommit(work.write)
        first = asyncio.create_task(grouped.submit(1))
        await asyncio.sleep(0.05)
        gone, stays = (asyncio.create_task(grouped.submit(n)) for n in (2, 3))
        await asyncio.sleep(0.05)
        gone.cancel()
        work.may_write.set()
        await asyncio.gather(first, stays)
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(story())
    assert work.groups == [[1], [2, 3]]
