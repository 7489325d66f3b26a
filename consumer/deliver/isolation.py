"""One value in the ledger that no code expects does not stop the others: it is found by halving its batch."""

from collections.abc import Callable
from typing import TypeVar

from consumer.ledger.errors import is_about_a_value

T = TypeVar("T")


def take_fewer(take: Callable[[int], T], limit: int, set_aside: Callable[[Exception], T | None]) -> T:
    """Return what `take` returns for a batch of at most `limit`, or of as few as it can handle.

    After an error about a value `set_aside` is called. It puts the only one of the batch out of the way, and returns
    what counts as its result; or it returns None where there were several, and half of them are tried. Other errors are
    raised, and so is one that has nothing to do with the batch.
    """
    while True:
        try:
            return take(limit)
        except Exception as error:
            if not is_about_a_value(error):
                raise
            if (done := set_aside(error)) is not None:
                return done
            if limit == 1:
                raise
            limit //= 2
