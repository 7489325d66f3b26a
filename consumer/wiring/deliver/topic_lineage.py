"""Which topics a ledger was fed from: one that was made anew, or is on another cluster, is read from its start.

Offsets of the former topic would hide the records of the new one.
"""

import structlog

from consumer.deliver.operations.ledger_identity import group_name
from consumer.kafka.changelog.input_topic import InputDescriber
from consumer.kafka.changelog.lineage import InputTopic
from consumer.kafka.clients import group_offsets
from consumer.ledger import queries
from consumer.ledger.errors import LedgerRefused
from consumer.ledger.store import Ledger
from consumer.wiring.shared import Shared

_REQUEST_TIMEOUT_S = 10.0
_log = structlog.get_logger()


def follow_topics(shared: Shared, ledger: Ledger) -> None:
    """Note the topics' ids; of one with another id have everything read again. Raises LedgerRefused; KafkaException."""
    _follow_contacts(shared, ledger)
    _follow_reminders(shared, ledger)


def require_same_topics(shared: Shared, ledger: Ledger) -> None:
    """Raise LedgerRefused if a topic is no longer the one that this ledger is fed from. Raises KafkaException."""
    for topic in (shared.settings.topics.contacts, shared.settings.topics.reminders):
        before, described = _topic_before(ledger, topic), _describe(shared, topic)
        if None not in (before, described.topic_id) and before != described.topic_id:
            raise LedgerRefused(f"the topic {topic} was made anew: start deliver again, which reads it from its start")


def _follow_contacts(shared: Shared, ledger: Ledger) -> None:
    """Read a new topic from its beginning. What is known of people stays until a record of it replaces that."""
    kafka, topic = shared.settings.kafka, shared.settings.topics.contacts
    before, described = _topic_before(ledger, topic), _describe(shared, topic)
    if described.topic_id in (None, before):  # None of a broker without topic ids
        return
    group = group_name(kafka.group_prefix, "contacts")
    committed = group_offsets.committed(kafka, group, topic, range(described.partitions))
    with ledger.transaction() as connection:
        if before is not None:
            queries.replicas.read_again(connection, topic, {n: each.offset for n, each in committed.items()})
            queries.contacts.forget_offsets(connection)
            _log.warning("contacts_topic_replaced", advice="it is read from its beginning; nothing is sent meanwhile")
        queries.replicas.put_topic_id(connection, topic, described.topic_id)


def _follow_reminders(shared: Shared, ledger: Ledger) -> None:
    """Read a new topic from its beginning. No reminder is in doubt: the ledger is not behind the former topic."""
    kafka, topic = shared.settings.kafka, shared.settings.topics.reminders
    before, described = _topic_before(ledger, topic), _describe(shared, topic)
    if described.topic_id in (None, before):
        return
    if before is not None:
        group = group_name(kafka.group_prefix, "reminders")
        committed = group_offsets.committed(kafka, group, topic, range(described.partitions))
        try:
            if committed:  # by who read on in the new topic; the broker deletes those of the former one
                group_offsets.move(kafka, group, topic, dict.fromkeys(committed, 0), ledger.id)
        except group_offsets.GroupAtWork:
            raise LedgerRefused(
                f"the topic {topic} was made anew, and another deliver still reads it: stop every deliver, wait for a"
                " minute, and start them again"
            ) from None
        _log.warning(
            "reminders_topic_replaced",
            advice="it is read from its beginning. What the former one held and was not read yet is lost, perhaps that"
            " somebody has finished: stop every detect and run `lapse state rebuild`",
        )
    with ledger.transaction() as connection:
        if before is not None:
            queries.replicas.read_again(connection, topic, {})
        queries.replicas.put_topic_id(connection, topic, described.topic_id)


def _describe(shared: Shared, topic: str) -> InputTopic:
    return InputDescriber(shared.admin, topic).describe(_REQUEST_TIMEOUT_S)


def _topic_before(ledger: Ledger, topic: str) -> str | None:
    with ledger.reading() as connection:
        return queries.replicas.topic_id(connection, topic)
