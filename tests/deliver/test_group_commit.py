"""GroupCommit: many callers share one write."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from consumer.deliver.group_commit import GroupCommit


class Journal:
    """Keeps what was written, by group; the first write waits for `may_write`."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.may_write = threading.Event()
        self.refuses: set[int] = set()

    def write(self, items: Sequence[int]) -> None:
        self.may_write.wait(10)
        if self.refuses.intersection(items):
            raise OSError("disk full")
        self.groups.append(list(items))


def test_items_during_a_write_share_the_next_one() -> None:
    journal = Journal()

    async def story() -> None:
        commit = GroupCommit(journal.write, max_items=50)
        callers = [asyncio.create_task(commit.submit(0))]
        await asyncio.sleep(0.05)
        callers += [asyncio.create_task(commit.submit(n)) for n in range(1, 81)]
        await asyncio.sleep(0.05)
        assert not any(caller.done() for caller in callers)
        journal.may_write.set()
        await asyncio.gather(*callers)

    asyncio.run(story())
    assert journal.groups == [[0], list(range(1, 51)), list(range(51, 81))]


def test_failed_write_raises_for_its_own_callers_only() -> None:
    journal = Journal()
    journal.may_write.set()
    journal.refuses = {2}

    async def story() -> list[BaseException | None]:
        commit = GroupCommit(journal.write, max_items=2)
        return await asyncio.gather(*(commit.submit(n) for n in range(5)), return_exceptions=True)

    answers = asyncio.run(story())
    assert [type(answer) for answer in answers] == [type(None), type(None), OSError, OSError, type(None)]
    assert journal.groups == [[0, 1], [4]]


def test_cancelled_caller_does_not_affect_the_others() -> None:
    journal = Journal()

    async def story() -> None:
        commit = GroupCommit(journal.write)
        first = asyncio.create_task(commit.submit(1))
        await asyncio.sleep(0.05)
        gone, stays = (asyncio.create_task(commit.submit(n)) for n in (2, 3))
        await asyncio.sleep(0.05)
        gone.cancel()
        journal.may_write.set()
        await asyncio.gather(first, stays)
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(story())
    assert journal.groups == [[1], [2, 3]]
