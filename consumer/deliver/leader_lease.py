"""A lease in the ledger: one replica at a time is the leader, and another takes over when it falls silent."""

from consumer.clock import SECOND, Clock, Millis
from consumer.ledger import queries
from consumer.ledger.store import Ledger

_DURATION_MS: Millis = 10 * SECOND


class LeaderLease:
    """One replica's view of a lease. Blocks its thread; not for several threads at once.

    A holder may be wrong: a process that was suspended learns only later that another has taken over. Whatever is done
    under the lease must then be refused from outside (Kafka fences the older producer, a lock the older writer).
    """

    def __init__(self, ledger: Ledger, name: str, *, holder: str, clock: Clock) -> None:
        """`holder` is unique to this process and changes with a restart."""
        self._ledger = ledger
        self._name = name
        self._holder = holder
        self._clock = clock
        self._held_until_monotonic: Millis = -1
        self._check_again_monotonic: Millis = -1

    def is_held(self) -> bool:
        """Return whether this replica leads. Takes a free lease and renews its own in time, mostly without a query."""
        monotonic = self._clock.monotonic()
        if monotonic < self._held_until_monotonic - _DURATION_MS // 2:
            return True
        if monotonic < self._check_again_monotonic:
            return False
        return self._take(monotonic)

    def release(self) -> None:
        """Give the lease up, so that another replica can take it at once."""
        self._held_until_monotonic = -1
        with self._ledger.transaction() as connection:
            queries.replicas.release_lease(connection, self._name, self._holder)

    def _take(self, monotonic: Millis) -> bool:
        now = self._clock.now()
        with self._ledger.reading() as connection:
            taken_until = queries.replicas.lease_until(connection, self._name)
        held = False
        if self._held_until_monotonic >= 0 or taken_until is None or taken_until <= now:
            with self._ledger.transaction() as connection:
                held = queries.replicas.acquire_lease(connection, self._name, self._holder, now, now + _DURATION_MS)
        self._held_until_monotonic = monotonic + _DURATION_MS if held else -1
        self._check_again_monotonic = monotonic + SECOND
        return held
