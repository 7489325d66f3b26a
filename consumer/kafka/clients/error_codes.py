"""Kafka's error codes, grouped by what Lapse does about them. No other module keeps a set of its own.

librdkafka's own codes begin with an underscore, the others come from a broker. `KafkaError.retriable()` knows only
the errors of a broker and of a transactional producer; for librdkafka's own there is `is_transient`.
"""

from confluent_kafka import KafkaError

from consumer.kafka.clients.login_errors import login_refusal

FENCED = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
"""Another client uses our transactional.id or group.instance.id, or the broker has ended our transaction by its
timeout."""

UNAUTHORIZED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
"""We have no permission, and shall have none until somebody changes the broker's ACLs."""

GROUP_REFUSED = frozenset({KafkaError.INVALID_SESSION_TIMEOUT, KafkaError.INCONSISTENT_GROUP_PROTOCOL})
"""The group does not admit a member with these settings."""

RECORD_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
"""Over message.max.bytes of the client, or max.message.bytes of the topic."""

RECORD_REFUSED = RECORD_TOO_LARGE | {KafkaError.INVALID_RECORD, KafkaError.INVALID_MSG}
"""A record is refused for what it is, at every try."""

TOPIC_ABSENT = frozenset({KafkaError._UNKNOWN_TOPIC, KafkaError.UNKNOWN_TOPIC_OR_PART})
"""The topic does not exist, or not yet for the broker that was asked."""

GROUP_ABSENT = frozenset({KafkaError.GROUP_ID_NOT_FOUND})
"""The consumer group does not exist: nobody has committed under its name, or that has expired."""

TIMED_OUT = frozenset({KafkaError._TIMED_OUT, KafkaError._MSG_TIMED_OUT})
"""No answer in time. What was asked for may have happened all the same."""

PURGED = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
"""We had the client drop the record before it was acknowledged."""

TRANSACTION_FAILED = PURGED | {KafkaError._STATE, KafkaError._FATAL}
"""The transaction had failed already: the cause is another error."""

DISCONNECTED = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT})
"""No connection to a broker at the moment."""

COORDINATOR_LOADING = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)
"""The group's coordinator is being found, which takes a moment on a new cluster."""

LEADER_CHANGING = frozenset(
    {
        KafkaError._NOENT,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.OFFSET_NOT_AVAILABLE,
    }
)
"""The partition's leader is being elected, or the topic was just created."""

CORRUPT = frozenset({KafkaError._BAD_MSG, KafkaError._NOT_IMPLEMENTED})
"""A checksum does not match. librdkafka (2.16 at least) then reads on inside and finds "an unsupported version"."""


_UNRESOLVED = "the host name cannot be resolved: is it spelt right in kafka.bootstrap_servers?"
_NO_ANSWER = (
    "the broker does not answer: does it run, and can this machine connect to the addresses that the brokers name"
    " themselves (advertised.listeners), not only to kafka.bootstrap_servers?"
)
_NOT_ALLOWED = "the broker does not allow it: the user in kafka.client lacks a right (SECURITY.md lists them)"


class BrokerRefused(Exception):
    """The broker does not allow what Lapse needs; the text names the resource, and what to do."""


def refusal(error: KafkaError, resource: str) -> BrokerRefused:
    """Return what to raise for an error of UNAUTHORIZED about this resource, such as `group lapse-detect`."""
    return BrokerRefused(f"{resource}: {in_words(error)}")


def consumer_refusal(error: KafkaError, group: str, topic: str) -> BrokerRefused:
    """Return the same for an error of a consumer: it is about its group or about its topic."""
    about_group = error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED
    return refusal(error, f"group {group}" if about_group else f"topic {topic}")


def in_words(error: KafkaError) -> str:
    """Return what went wrong and what to do, in our words; in librdkafka's only where we have none."""
    code = error.code()
    if refused := login_refusal(error):
        return refused
    if code == KafkaError._RESOLVE:
        return _UNRESOLVED
    if code in DISCONNECTED | TIMED_OUT:
        return _NO_ANSWER
    return f"{_NOT_ALLOWED}: {error.name()}" if code in UNAUTHORIZED else error.str()


def is_fatal(error: KafkaError) -> bool:
    """Return whether the client that reported this is of no more use."""
    return bool(error.fatal()) or error.code() == KafkaError._FATAL


def is_fenced(error: KafkaError) -> bool:
    """Return whether another consumer has taken our group.instance.id."""
    # librdkafka gives a fatal error the code _FATAL, and only its text says which one it was.
    return error.code() in FENCED or KafkaError(KafkaError.FENCED_INSTANCE_ID).str() in error.str()


def is_transient(error: KafkaError) -> bool:
    """Return whether a consumer recovers from this by itself."""
    return bool(error.retriable()) or error.code() in DISCONNECTED
