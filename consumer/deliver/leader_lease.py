"""The right to do what one replica at a time may do. It goes to another when its holder falls silent."""

from consumer.clock import SECOND, Clock, Millis
from consumer.ledger import queries
from consumer.ledger.store import Ledger


class LeaderLease:
    """One holder's view of it. Blocks its thread; not for several threads at once.

    Who believes to have it may be wrong: a process that was paused learns only later that another has taken over. What
    is done under it must be refused from outside then (Kafka fences the older publisher, a lock the older writer).
    """

    def __init__(self, ledger: Ledger, name: str, *, holder: str, clock: Clock, lasts: Millis = 10 * SECOND) -> None:
        """`holder` is of this process alone, and another one's after a restart."""
        self._ledger = ledger
        self._name = name
        self._holder = holder
        self._clock = clock
        self._lasts = lasts
        self._mine_until: Millis = -1  # on the steady clock, like the next
        self._look_again: Millis = -1

    def is_held(self) -> bool:
        """Whether to act now. Takes the turn if it is free, and renews it in time; mostly it asks nobody."""
        steady = self._clock.monotonic()
        if steady < self._mine_until - self._lasts // 2:
            return True
        if steady < self._look_again:
            return False
        return self._take(steady)

    def release(self) -> None:
        """Let another one try at once."""
        self._mine_until = -1
        with self._ledger.transaction() as connection:
            queries.replicas.release_lease(connection, self._name, self._holder)

    def _take(self, steady: Millis) -> bool:
        now = self._clock.now()
        with self._ledger.reading() as connection:
            others_until = queries.replicas.lease_until(connection, self._name)
        mine = False
        if self._mine_until >= 0 or others_until is None or others_until <= now:
            with self._ledger.transaction() as connection:
                mine = queries.replicas.acquire_lease(connection, self._name, self._holder, now, now + self._lasts)
        self._mine_until = steady + self._lasts if mine else -1
        self._look_again = steady + SECOND
        return mine
