"""Whether the contacts topic has been read to the end it had at start: before that nobody's consent is known."""

from collections.abc import Mapping

from sqlalchemy import Connection

from consumer.ledger import queries


class ContactsBarrier:
    """Closed until the ledger has every partition of the contacts topic up to `ends`; then open for good.

    `ends` are the topic's end offsets when the process started. Whichever replica reads the topic moves the ledger's
    offsets.
    """

    def __init__(self, topic: str, ends: Mapping[int, int]) -> None:
        self.topic = topic
        self._ends = {partition: end for partition, end in ends.items() if end > 0}
        self._passed = not self._ends

    def is_passed(self, connection: Connection) -> bool:
        """Return whether all of it is in the ledger, as this transaction sees it."""
        if not self._passed:
            offsets = queries.replicas.next_offsets(connection, self.topic)
            self._passed = all(offsets.get(partition, 0) >= end for partition, end in self._ends.items())
        return self._passed
