"""Two replicas with fallbacks on one ledger: no message twice, and none after a return."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from consumer.deliver.policy.fallback import next_medium_row
from consumer.deliver.unit_of_work import unit_of_work
from consumer.ledger import queries

from ..app.service import eventually
from ..ledger.databases import emptied, somebody_waits
from .fallback_diary import FallbackDiary

Two = tuple[FallbackDiary, FallbackDiary]


@pytest.fixture
def replicas(postgresql: str, tmp_path: Path) -> Iterator[Two]:
    url = emptied(postgresql)
    one, other = FallbackDiary(tmp_path, url=url), FallbackDiary(tmp_path, url=url)
    yield one, other
    one.close()
    other.close()


def test_two_replicas_plan_and_send_each_fallback_once(replicas: Two) -> None:
    one, _ = replicas
    everybody = [f"user{n}" for n in range(30)]
    for user in everybody:
        one.knows_by_mail(user, f"{user}@example.com").due(user)
    asyncio.run(one.parts.sender.step())
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(lambda replica: replica.parts.fallback_planner.step(), replicas)) == 30
        for _ in range(20):
            list(pool.map(lambda replica: asyncio.run(replica.parts.fallback_senders["email"].step()), replicas))
    sent = [mail.to for replica in replicas for mail in replica.mail.sent]
    assert sorted(sent) == sorted(f"{user}@example.com" for user in everybody)


def test_return_during_the_planning_of_a_fallback_cancels_it(replicas: Two) -> None:
    """The other replica's intake waits for the row, and cannot see the row that is being added."""
    one, other = replicas
    one.knows_by_mail().due("maria")
    asyncio.run(one.parts.sender.step())
    with ThreadPoolExecutor(1) as pool:
        with unit_of_work(one.ledger, one.metrics, one.clock.now()) as work:
            (row,) = queries.reminders.lock_fallback_due(work.connection, work.now, 1)
            work.add_locked([row])
            returned = pool.submit(other.returned, "maria")
            eventually(lambda: somebody_waits(one.ledger), meaning="the return waits for the row")
            work.update(row._replace(fallback_at=None))
            following = next_medium_row(row, one.media, work.now)
            assert following is not None
            work.insert(following)
        returned.result()
    one.works()
    one.tells("maria whatsapp suppressed no_phone", "maria email cancelled returned").mailed()
