"""The right to send, shared by all replicas through the ledger, by a clock that moves when told to."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.clock import HOUR, SECOND
from consumer.deliver.channel.rate_limit import Pace, counted_from, rights
from consumer.ledger import queries
from consumer.ledger.queries.rate_limit import PaceRow
from consumer.ledger.store import Ledger

NOON = 1_750_000_000_000


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    ledger = Ledger(ledger_url)
    yield ledger
    ledger.close()


def take(ledger: Ledger, rate: float | None, now: int, most: int) -> int:
    """What a claim does that finds as much to send as it may."""
    pace = Pace("whatsapp", rate)
    with ledger.transaction() as connection:
        taken = pace.taken(connection, now, most)
        pace.used(connection, now, taken)
    return taken


def test_over_any_stretch_no_more_leave_than_the_rate_allows_whichever_replica_asks(ledger: Ledger) -> None:
    taken = take(ledger, 80, NOON, 1000)
    for turn in range(1, 101):
        taken += take(ledger, 80, NOON + 100 * turn, 5) + take(ledger, 80, NOON + 100 * turn, 1000)
    assert taken == 20 + 80 * 10


def test_replicas_that_take_at_once_never_take_the_same_right(ledger: Ledger) -> None:
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda n: take(ledger, 400, NOON, 7), range(40)))
    assert sum(taken) == 100


def test_what_was_not_used_is_there_for_the_next(ledger: Ledger) -> None:
    pace = Pace("whatsapp", 80)
    with ledger.transaction() as connection:
        assert pace.taken(connection, NOON, 15) == 15
        pace.used(connection, NOON, 5)
    with ledger.reading() as connection:
        assert pace.seen(connection, NOON, 1000) == 15
    assert take(ledger, 80, NOON, 1000) == 15


def test_when_the_channel_says_slower_nothing_leaves_for_so_long(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        queries.rate_limit.hold(connection, "whatsapp", NOON + 10 * SECOND)
        queries.rate_limit.hold(connection, "whatsapp", NOON + 5 * SECOND)
    for rate in (80, None):
        with ledger.reading() as connection:
            assert Pace("whatsapp", rate).seen(connection, NOON + 10 * SECOND - 1, 5) == 0
            assert Pace("whatsapp", rate).seen(connection, NOON + 10 * SECOND, 5) == 5
            assert Pace("email", rate).seen(connection, NOON, 5) == 5


def test_a_rate_below_one_a_second_lets_one_leave_now_and_then() -> None:
    after = PaceRow("whatsapp", counted_from(PaceRow("whatsapp"), 0.5, NOON, 1))
    assert rights(PaceRow("whatsapp"), 0.5, NOON, 10) == 1
    assert rights(after, 0.5, NOON + 1_999, 10) == 0
    assert rights(after, 0.5, NOON + 2_000, 10) == 1


def test_a_clock_that_was_an_hour_ahead_does_not_silence_the_channel_for_an_hour() -> None:
    ahead = PaceRow("whatsapp", counted_from(PaceRow("whatsapp"), 80, NOON + HOUR, 20))
    put_right = PaceRow("whatsapp", counted_from(ahead, 80, NOON, rights(ahead, 80, NOON, 1000)))
    assert rights(put_right, 80, NOON + 100, 1000) == 8


SPANS = st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 300)), max_size=60)


@settings(deadline=None)
@given(rate=st.sampled_from([0.5, 1, 3, 80, 1000]), asked=SPANS)
def test_in_no_second_do_more_leave_than_the_rate_and_what_was_kept(rate: float, asked: list[tuple[int, int]]) -> None:
    pace, now, left = PaceRow("whatsapp"), NOON, []
    for wait, most in asked:
        now += wait
        used = rights(pace, rate, now, most)
        pace = PaceRow("whatsapp", counted_from(pace, rate, now, used))
        left += [now] * used
    for start in left:
        within = sum(start <= at < start + SECOND for at in left)
        assert within <= rate + max(1, rate / 4) + 1e-9
