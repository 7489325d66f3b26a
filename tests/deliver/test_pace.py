"""The right to send, shared by all replicas through the ledger, by a clock that moves when told to."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.clock import HOUR, SECOND
from consumer.deliver.channel.rate_limit import RateLimit, available_tokens, counted_from
from consumer.ledger import queries
from consumer.ledger.queries.channels import RateLimitRow
from consumer.ledger.store import Ledger

NOON = 1_750_000_000_000


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    ledger = Ledger(ledger_url)
    yield ledger
    ledger.close()


def take(ledger: Ledger, rate: float | None, now: int, most: int) -> int:
    """What a claim does that finds as much to send as it may."""
    rate_limit = RateLimit("whatsapp", rate)
    with ledger.transaction() as connection:
        taken = rate_limit.acquire(connection, now, most)
        rate_limit.spend(connection, now, taken)
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
    rate_limit = RateLimit("whatsapp", 80)
    with ledger.transaction() as connection:
        assert rate_limit.acquire(connection, NOON, 15) == 15
        rate_limit.spend(connection, NOON, 5)
    with ledger.reading() as connection:
        assert rate_limit.peek(connection, NOON, 1000) == 15
    assert take(ledger, 80, NOON, 1000) == 15


def test_when_the_channel_says_slower_nothing_leaves_for_so_long(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        queries.channels.hold_rate_until(connection, "whatsapp", NOON + 10 * SECOND)
        queries.channels.hold_rate_until(connection, "whatsapp", NOON + 5 * SECOND)
    for rate in (80, None):
        with ledger.reading() as connection:
            assert RateLimit("whatsapp", rate).peek(connection, NOON + 10 * SECOND - 1, 5) == 0
            assert RateLimit("whatsapp", rate).peek(connection, NOON + 10 * SECOND, 5) == 5
            assert RateLimit("email", rate).peek(connection, NOON, 5) == 5


def test_a_rate_below_one_a_second_lets_one_leave_now_and_then() -> None:
    after = RateLimitRow("whatsapp", counted_from(RateLimitRow("whatsapp"), 0.5, NOON, 1))
    assert available_tokens(RateLimitRow("whatsapp"), 0.5, NOON, 10) == 1
    assert available_tokens(after, 0.5, NOON + 1_999, 10) == 0
    assert available_tokens(after, 0.5, NOON + 2_000, 10) == 1


def test_a_clock_that_was_an_hour_ahead_does_not_silence_the_channel_for_an_hour() -> None:
    ahead = RateLimitRow("whatsapp", counted_from(RateLimitRow("whatsapp"), 80, NOON + HOUR, 20))
    put_right = RateLimitRow("whatsapp", counted_from(ahead, 80, NOON, available_tokens(ahead, 80, NOON, 1000)))
    assert available_tokens(put_right, 80, NOON + 100, 1000) == 8


SPANS = st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 300)), max_size=60)


@settings(deadline=None)
@given(rate=st.sampled_from([0.5, 1, 3, 80, 1000]), asked=SPANS)
def test_in_no_second_do_more_leave_than_the_rate_and_what_was_kept(rate: float, asked: list[tuple[int, int]]) -> None:
    rate_limit, now, left = RateLimitRow("whatsapp"), NOON, []
    for wait, most in asked:
        now += wait
        used = available_tokens(rate_limit, rate, now, most)
        rate_limit = RateLimitRow("whatsapp", counted_from(rate_limit, rate, now, used))
        left += [now] * used
    for start in left:
        within = sum(start <= at < start + SECOND for at in left)
        assert within <= rate + max(1, rate / 4) + 1e-9
