"""Whether the ledger still has what this process has journalled, where another database server may have taken over.

A standby that was not written to synchronously lacks the last commits. An attempt among them is unsent again there,
although its message may be on a phone. Each process knows its own last attempts and looks for them on each new
connection; after a failover no process claims anything for a while, so that every other one has looked.
"""

import structlog
from sqlalchemy import Connection

from consumer.clock import HOUR, SECOND, Clock, Millis
from consumer.ledger import queries
from consumer.ledger.errors import LedgerRegressed
from consumer.ledger.store import Ledger

FAILOVER_WAIT: Millis = 30 * SECOND
"""Longer than a process needs to notice that its connection is gone, and to make another one."""
_REMEMBERED_FOR: Millis = HOUR
"""No failover loses more; what is older may have been deleted since."""

AttemptKey = tuple[str, str, int]
log = structlog.get_logger()


class JournalCheck:
    """Remembers the last batch that was journalled: commits are lost from the end, so the last one tells."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._last: frozenset[AttemptKey] = frozenset()
        self._last_at: Millis = 0
        self._connections = ledger.connections
        self._failovers = ledger.failovers
        self._wait_until: Millis = 0

    def remember(self, keys: frozenset[AttemptKey]) -> None:
        """Note what was journalled durably just now."""
        if keys:
            self._last, self._last_at = keys, self._clock.monotonic()

    def may_claim(self, connection: Connection) -> bool:
        """Return whether this transaction may claim anything. Raises LedgerRegressed."""
        now = self._clock.monotonic()
        made = self._ledger.connections
        if made != self._connections:
            recent = now < self._last_at + _REMEMBERED_FOR
            if recent and queries.attempts.missing(connection, self._last):
                raise LedgerRegressed(
                    "the ledger has lost commits: another server took over without them (see PostgreSQL in README.md)."
                    " What is unsent may have been sent, and becomes unknown"
                )
            self._connections = made
        if self._ledger.failovers != self._failovers:
            self._failovers = self._ledger.failovers
            self._wait_until = now + FAILOVER_WAIT
            log.warning("ledger_failed_over", advice="nothing is claimed until every replica has looked for its own")
        return now >= self._wait_until
