"""Whether contacts have been read to the end that was seen at start: before that nobody's consent is known."""

from collections.abc import Mapping

from sqlalchemy import Connection

from consumer.ledger import queries


class ContactsBarrier:
    """Closed until the ledger has every partition of the contacts topic up to `ends`; then open for good.

    `ends` are the topic's end offsets, asked when the process started. Whoever reads the topic, in this process or
    in another replica, moves the ledger's offsets.
    """

    def __init__(self, topic: str, ends: Mapping[int, int]) -> None:
        self.topic = topic
        self._ends = {partition: end for partition, end in ends.items() if end > 0}
        self._open = not self._ends

    def is_passed(self, connection: Connection) -> bool:
        """Whether all of it is in the ledger, as this transaction sees it."""
        if not self._open:
            read = queries.replicas.next_offsets(connection, self.topic)
            self._open = all(read.get(partition, 0) >= end for partition, end in self._ends.items())
        return self._open
