"""Partitions that lag take turns, a long stretch each; whoever lives is read at once."""

from consumer.kafka.columns.partition_queues import LaggingTurn

LAGS = {0: 4_000_000, 1: 3, 2: 70_000, 3: 0, 4: 9_000_000}


def test_one_that_lags_is_read_together_with_all_that_live() -> None:
    turn = LaggingTurn()
    assert turn.next([0, 1, 2, 3, 4], LAGS) == [0, 1, 3]
    turn.took(50_000)
    assert turn.next([0, 2, 4], LAGS) == [0]


def test_after_its_stretch_the_next_one_has_its_turn_until_each_had_one() -> None:
    turn, turns = LaggingTurn(), []
    for _ in range(4):
        for _ in range(10):
            turns += turn.next([0, 2, 4], LAGS)
            turn.took(50_000)
    assert turns == [0] * 10 + [2] * 10 + [4] * 10 + [0] * 10


def test_nobody_waits_for_one_of_which_nothing_comes() -> None:
    """Its broker is away, or an open transaction hides what it has."""
    turn = LaggingTurn()
    assert turn.next([0, 2], LAGS) == [0]
    assert turn.next([1, 2, 4], LAGS) == [1, 2]
    assert turn.next([0, 2, 4], LAGS) == [2]
    assert turn.next([1], LAGS) == [1]


def test_one_that_has_caught_up_gives_up_its_turn() -> None:
    turn = LaggingTurn()
    assert turn.next([0, 2], LAGS) == [0]
    assert turn.next([0, 2], LAGS | {0: 100}) == [0, 2]
    turn.took(50_000)
    assert turn.next([0, 2], LAGS) == [2]
