"""The token bucket that replicas share through the ledger, by a clock that the test moves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.clock import HOUR, SECOND
from consumer.deliver.channel.rate_limit import RateLimit, available_tokens, used_until_us
from consumer.ledger import queries
from consumer.ledger.queries.channels import RateLimitRow
from consumer.ledger.store import Ledger
from consumer.records import EMAIL, WHATSAPP

NOON = 1_750_000_000_000


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    ledger = Ledger(ledger_url)
    yield ledger
    ledger.close()


def take(ledger: Ledger, rate: float | None, now: int, limit: int) -> int:
    """Acquire and spend as a claim does that finds enough to send."""
    rate_limit = RateLimit(WHATSAPP, rate)
    with ledger.transaction() as connection:
        taken = rate_limit.acquire(connection, now, limit)
        rate_limit.spend(connection, now, taken)
    return taken


def test_rate_is_shared_by_replicas(ledger: Ledger) -> None:
    taken = take(ledger, 80, NOON, 1000)
    for turn in range(1, 101):
        taken += take(ledger, 80, NOON + 100 * turn, 5) + take(ledger, 80, NOON + 100 * turn, 1000)
    assert taken == 20 + 80 * 10


def test_concurrent_replicas_never_take_the_same_token(ledger: Ledger) -> None:
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda n: take(ledger, 400, NOON, 7), range(40)))
    assert sum(taken) == 100


def test_unused_tokens_stay_available(ledger: Ledger) -> None:
    rate_limit = RateLimit(WHATSAPP, 80)
    with ledger.transaction() as connection:
        assert rate_limit.acquire(connection, NOON, 15) == 15
        rate_limit.spend(connection, NOON, 5)
    with ledger.reading() as connection:
        assert rate_limit.peek(connection, NOON, 1000) == 15
    assert take(ledger, 80, NOON, 1000) == 15


def test_hold_stops_every_request_of_the_medium(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        queries.channels.hold_rate_until(connection, WHATSAPP, NOON + 10 * SECOND)
        queries.channels.hold_rate_until(connection, WHATSAPP, NOON + 5 * SECOND)
    for rate in (80, None):
        with ledger.reading() as connection:
            assert RateLimit(WHATSAPP, rate).peek(connection, NOON + 10 * SECOND - 1, 5) == 0
            assert RateLimit(WHATSAPP, rate).peek(connection, NOON + 10 * SECOND, 5) == 5
            assert RateLimit(EMAIL, rate).peek(connection, NOON, 5) == 5


def test_rate_below_one_a_second() -> None:
    after = RateLimitRow(WHATSAPP, used_until_us(RateLimitRow(WHATSAPP), 0.5, NOON, 1))
    assert available_tokens(RateLimitRow(WHATSAPP), 0.5, NOON, 10) == 1
    assert available_tokens(after, 0.5, NOON + 1_999, 10) == 0
    assert available_tokens(after, 0.5, NOON + 2_000, 10) == 1


def test_clock_an_hour_ahead_does_not_stop_the_channel() -> None:
    ahead = RateLimitRow(WHATSAPP, used_until_us(RateLimitRow(WHATSAPP), 80, NOON + HOUR, 20))
    put_right = RateLimitRow(WHATSAPP, used_until_us(ahead, 80, NOON, available_tokens(ahead, 80, NOON, 1000)))
    assert available_tokens(put_right, 80, NOON + 100, 1000) == 8


SPANS = st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 300)), max_size=60)


@pytest.mark.slow
@settings(deadline=None)
@given(rate=st.sampled_from([0.5, 1, 3, 80, 1000]), asked=SPANS)
def test_burst_within_any_second_is_bounded(rate: float, asked: list[tuple[int, int]]) -> None:
    rate_limit, now, left = RateLimitRow(WHATSAPP), NOON, []
    for wait, limit in asked:
        now += wait
        used = available_tokens(rate_limit, rate, now, limit)
        rate_limit = RateLimitRow(WHATSAPP, used_until_us(rate_limit, rate, now, used))
        left += [now] * used
    for start in left:
        within = sum(start <= at < start + SECOND for at in left)
        assert within <= rate + max(1, rate / 4) + 1e-9
