"""Which contacts topic a ledger was fed from: one that was made anew, or is on another cluster, is read from its start.

Offsets of the former topic would hide the records of the new one.
"""

import structlog

from consumer.deliver.operations.ledger_identity import group_name
from consumer.kafka.changelog.input_topic import InputDescriber
from consumer.kafka.clients import group_offsets
from consumer.ledger import queries
from consumer.ledger.errors import LedgerRefused
from consumer.ledger.store import Ledger
from consumer.wiring.shared import Shared

_REQUEST_TIMEOUT_S = 10.0
_log = structlog.get_logger()


def follow_contacts_topic(shared: Shared, ledger: Ledger) -> None:
    """Note the topic's id; if it is another one, have all of the topic read again. Raises KafkaException.

    What the ledger knows of people stays until a record of the new topic replaces it.
    """
    kafka, topic = shared.settings.kafka, shared.settings.topics.contacts
    described = InputDescriber(shared.admin, topic).describe(_REQUEST_TIMEOUT_S)
    if described.topic_id is None:  # a broker without topic ids
        return
    with ledger.reading() as connection:
        before = queries.replicas.topic_id(connection, topic)
    if before == described.topic_id:
        return
    group = group_name(kafka.group_prefix, "contacts")
    committed = group_offsets.committed(kafka, group, topic, range(described.partitions))
    with ledger.transaction() as connection:
        if before is not None:
            queries.replicas.read_again(connection, topic, {n: each.offset for n, each in committed.items()})
            queries.contacts.forget_offsets(connection)
            _log.warning("contacts_topic_replaced", advice="it is read from its beginning; nothing is sent meanwhile")
        queries.replicas.put_topic_id(connection, topic, described.topic_id)


def require_same_topic(shared: Shared, ledger: Ledger) -> None:
    """Raise LedgerRefused if the topic is no longer the one that this ledger is fed from. Raises KafkaException."""
    topic = shared.settings.topics.contacts
    described = InputDescriber(shared.admin, topic).describe(_REQUEST_TIMEOUT_S)
    with ledger.reading() as connection:
        before = queries.replicas.topic_id(connection, topic)
    if before is not None and described.topic_id is not None and before != described.topic_id:
        raise LedgerRefused(f"the topic {topic} was made anew: start deliver again, which reads it from its beginning")
