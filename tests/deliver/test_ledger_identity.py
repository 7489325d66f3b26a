"""Which ledger may be used with which topics."""

import pytest

from consumer.deliver.operations.ledger_identity import (
    GroupPosition,
    LedgerPosition,
    find_mismatch,
    offsets_ahead_of_ledger,
)

MINE, OTHERS = "ledger-a", "ledger-b"
NOTHING = LedgerPosition({}, {})


def group(committed: dict[int, int], *ledger_ids: str) -> GroupPosition:
    return GroupPosition("lapse-deliver-reminders", "reminders", committed, frozenset(ledger_ids))


@pytest.mark.parametrize(
    ("of", "held", "published"),
    [
        (group({}), NOTHING, False),  # a first start, with or without reminders from detect
        (group({0: 5}, MINE), LedgerPosition({0: 5}, {}), True),
        (group({0: 5}, ""), LedgerPosition({0: 5}, {}), True),  # committed before ledger ids were stored
        (group({}), LedgerPosition({0: 5}, {}), True),  # the broker forgot what was committed
    ],
)
def test_ledger_and_topics_that_belong_together(of: GroupPosition, held: LedgerPosition, published: bool) -> None:
    assert find_mismatch(MINE, "/srv/lapse.db", {"reminders": (of, held)}, published=published) is None


@pytest.mark.parametrize(
    ("of", "held", "published", "why"),
    [
        (group({0: 5}, OTHERS), LedgerPosition({0: 9}, {}), True, "belongs to the ledger ledger-b"),
        (group({0: 5}, MINE, OTHERS), LedgerPosition({0: 9}, {}), True, "belongs to the ledger ledger-b"),
        (group({0: 5}, MINE), NOTHING, False, "has read reminders before"),
        (group({0: 5}, ""), NOTHING, False, "has read reminders before"),
        (group({}), NOTHING, True, "outcomes have been published before"),
    ],
)
def test_other_ledger_is_refused_with_advice(
    of: GroupPosition, held: LedgerPosition, published: bool, why: str
) -> None:
    reason = find_mismatch(MINE, "/srv/lapse.db", {"reminders": (of, held)}, published=published)
    assert reason is not None
    assert why in reason
    assert "backup" in reason
    assert "/srv/lapse.db" in reason
    assert "`lapse ledger begin`" in reason


def test_committed_offsets_ahead_of_the_ledger() -> None:
    assert offsets_ahead_of_ledger(group({0: 5, 1: 7, 2: 3}), LedgerPosition({0: 5, 1: 4}, {})) == {1: 7, 2: 3}
    being_read_again = LedgerPosition({0: 9, 1: 4}, {1: 7})
    assert offsets_ahead_of_ledger(group({0: 5, 1: 7}), being_read_again) == {}
    assert offsets_ahead_of_ledger(group({1: 8}), LedgerPosition({1: 4}, {1: 7})) == {1: 8}
