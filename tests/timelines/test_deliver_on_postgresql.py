"""Several replicas of deliver on one PostgreSQL."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from consumer.clock import DAY

from ..ledger.databases import emptied
from .deliver_diary import Diary

CAPS = {DAY: 1}


@pytest.fixture
def replicas(postgresql: str, tmp_path: Path) -> Iterator[tuple[Diary, Diary]]:
    address = emptied(postgresql)
    one, other = Diary(tmp_path, url=address, caps=CAPS), Diary(tmp_path, url=address, caps=CAPS)
    yield one, other
    one.close()
    other.close()


def test_a_life_is_the_same_as_on_sqlite(replicas: tuple[Diary, Diary]) -> None:
    one, _ = replicas
    one.knows("maria").knows("paul", name="Paul").due("maria").due("paul").works()
    one.says("maria accepted", "paul deferred frequency_cap").went_out("Maria")
    one.reports("wamid.1", "sent", "read").publishes().says("maria sent", "maria read")
    one.hears("stop").works().forgets("maria")
    assert {stop.user_id for stop in one.stops} == {"maria", "paul"}


def test_two_who_claim_at_once_write_once_to_each_user_and_each_phone(replicas: tuple[Diary, Diary]) -> None:
    one, other = replicas
    for n in range(40):
        one.knows(f"user {n}", name=f"user {n}", phone=f"+34 612 345 {n // 2:03d}")  # two users to a phone
        one.due(f"user {n}").due(f"user {n}", "checkout")

    def claim(replica: Diary) -> list[str]:
        found: list[str] = []
        for _ in range(30):
            found += [attempt.message.phone for attempt in replica.claims.take(7).attempts]
        return found

    with ThreadPoolExecutor(2) as pool:
        written = [phone for phones in pool.map(claim, (one, other)) for phone in phones]
    assert Counter(written) == dict.fromkeys((f"34612345{n:03d}" for n in range(20)), 1)


def test_what_a_replica_had_in_hand_when_it_died_is_unknown_to_the_other_and_never_sent(
    replicas: tuple[Diary, Diary],
) -> None:
    one, other = replicas
    one.knows("maria").due("maria")
    assert len(one.claims.take(10).attempts) == 1
    other.works().says_nothing()
    other.after(31_000).detect_is_at().works().says("maria unknown lease_ran_out")
    other.after(DAY).detect_is_at().works().went_out()
    one.went_out()
