"""Several replicas of deliver on one PostgreSQL."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import Connection, event

from consumer.clock import DAY

from ..app.service import eventually
from ..ledger.databases import emptied, somebody_waits
from .deliver_diary import Diary
from .test_deliver_pauses import pause, resume

T = TypeVar("T")
U = TypeVar("U")
CAPS = {DAY: 1}


@pytest.fixture
def replicas(postgresql: str, tmp_path: Path) -> Iterator[tuple[Diary, Diary]]:
    address = emptied(postgresql)
    one, other = Diary(tmp_path, url=address, caps=CAPS), Diary(tmp_path, url=address, caps=CAPS)
    yield one, other
    one.close()
    other.close()


def test_same_life_as_on_sqlite(replicas: tuple[Diary, Diary]) -> None:
    one, _ = replicas
    one.knows("maria").knows("paul", name="Paul").due("maria").due("paul").works()
    one.says("maria accepted", "paul deferred frequency_cap").went_out("Maria")
    one.reports("wamid.1", "sent", "read").publishes().says("maria sent", "maria read")
    one.hears("stop").works().forgets("maria")
    assert {stop.user_id for stop in one.topics.opt_outs} == {"maria", "paul"}


def test_concurrent_claims_write_once_to_each_user_and_phone(replicas: tuple[Diary, Diary]) -> None:
    one, other = replicas
    for n in range(40):
        one.knows(f"user {n}", name=f"user {n}", phone=f"+34 612 345 {n // 2:03d}")  # two users to a phone
        one.due(f"user {n}").due(f"user {n}", "checkout")

    def claim(replica: Diary) -> list[str]:
        found: list[str] = []
        for _ in range(30):
            found += [attempt.message.phone for attempt in replica.parts.claims.take(7).attempts]
        return found

    with ThreadPoolExecutor(2) as pool:
        written = [phone for phones in pool.map(claim, (one, other)) for phone in phones]
    assert Counter(written) == dict.fromkeys((f"34612345{n:03d}" for n in range(20)), 1)


def as_it_commits(one: Diary, first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
    """Return the results of both; `second` runs when `first` has written everything and not yet committed."""
    meanwhile: list[Future[U]] = []

    def about_to_commit(connection: Connection) -> None:
        meanwhile.append(pool.submit(second))
        eventually(lambda: somebody_waits(one.ledger) or meanwhile[0].done(), meaning="the other waits, or is done")

    with ThreadPoolExecutor(1) as pool:
        event.listen(one.ledger._engine, "commit", about_to_commit, once=True)
        return first(), meanwhile[0].result(30)


def test_contact_during_a_claim_that_defers_for_it(replicas: tuple[Diary, Diary]) -> None:
    one, other = replicas
    one.due("maria")
    as_it_commits(one, lambda: one.parts.claims.take(10), lambda: other.knows("maria"))
    one.works().says("maria deferred no_contact", "maria accepted").went_out("Maria")


def test_resume_during_a_claim_that_defers_for_the_pause(replicas: tuple[Diary, Diary]) -> None:
    one, other = replicas
    pause(one)
    one.knows("maria").due("maria")
    as_it_commits(one, lambda: one.parts.claims.take(10), lambda: resume(other))
    one.works().says("maria deferred paused", "maria accepted").went_out("Maria")


@pytest.fixture
def limited(postgresql: str, tmp_path: Path) -> Iterator[tuple[Diary, Diary]]:
    """Two replicas that may write to three different people a day, together."""
    address = emptied(postgresql)
    one, other = (Diary(tmp_path, url=address, unique_recipients=3) for _ in range(2))
    yield one, other
    one.close()
    other.close()


def people(diary: Diary, number: int) -> None:
    for n in range(number):
        diary.knows(f"user {n}", name=f"user {n}", phone=f"+34 612 345 {n:03d}").due(f"user {n}")


def test_recipient_quota_is_counted_by_one_replica_at_a_time(
    limited: tuple[Diary, Diary],
) -> None:
    one, other = limited
    people(one, 6)
    claimed, afterwards = as_it_commits(one, lambda: one.parts.claims.take(2), lambda: other.parts.claims.take(10))
    assert len(claimed.attempts) == 2
    assert (afterwards.rows, len(afterwards.attempts)) == (4, 1)


def test_claim_of_a_dead_replica_becomes_unknown(
    replicas: tuple[Diary, Diary],
) -> None:
    one, other = replicas
    one.knows("maria").due("maria")
    assert len(one.parts.claims.take(10).attempts) == 1
    other.works().says_nothing()
    other.after(31_000).detect_is_at().works().says("maria unknown lease_ran_out")
    other.after(DAY).detect_is_at().works().went_out()
    one.went_out()
