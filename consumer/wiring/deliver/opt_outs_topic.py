"""The opt-outs topic, read into a ledger that does not have all of it: a new one, or one restored from a backup.

What this ledger has published itself is read again at its next start, which changes nothing.
"""

import structlog
from confluent_kafka import Message
from sqlalchemy import Connection

from consumer.activity.errors import BadRecord
from consumer.activity.schemas.framing import text_of_key
from consumer.clock import Millis
from consumer.deliver.policy.record_bounds import HASHED_SUBJECT
from consumer.kafka.clients import group_offsets, partition_offsets
from consumer.ledger import queries
from consumer.ledger.queries.opt_outs import StoredOptOut
from consumer.ledger.store import Ledger
from consumer.records import OptOut
from consumer.wiring.shared import Shared

LIFTED_AT = "lifted_at"
"""The header of a null value that says since when the opt-out is over, in milliseconds."""

_USER = "user:"
_MAX_SUBJECT = 300
_MAX_REASON = 255
_LONGEST_TIME = 18  # digits
_log = structlog.get_logger()


def key_of(subject: str) -> bytes:
    """Return the key of a record about this subject: a user's id, or `phone:` or `email:` and a hash."""
    return subject.removeprefix(_USER).encode()


def subject_of(key: bytes) -> str | None:
    """Return the subject that has this key; None if the key is no text."""
    text = text_of_key(key)
    return text if not text or HASHED_SUBJECT.fullmatch(text) else _USER + text


def read_opt_outs(shared: Shared, ledger: Ledger) -> None:
    """Read the topic from where this ledger has it up to its present end.

    Deliver does so before anything else, so that nobody is written to who has opted out. A value that cannot be read is
    an opt-out of whom its key names. Raises KafkaException, RegistryUnavailable.
    """
    kafka, topic = shared.settings.kafka, shared.settings.topics.opt_outs
    ends = partition_offsets.fetch_all(shared.admin, topic)
    with ledger.reading() as connection:
        known = queries.replicas.next_offsets(connection, topic)
    begins = {number: known.get(number, 0) for number, end in ends.items() if known.get(number, 0) <= end}
    count = 0
    for batch in group_offsets.read_between(kafka, topic, begins, ends):
        with ledger.transaction() as connection:
            for message in batch:
                _take(connection, shared, message)
        count += len(batch)
    with ledger.transaction() as connection:
        queries.replicas.advance_offsets(connection, topic, ends)
    _log.info("opt_outs_read", records=count)


def _take(connection: Connection, shared: Shared, message: Message) -> None:
    """Apply one record. Neither repeats nor the order matter: see `consumer/ledger/queries/opt_outs.py`."""
    subject, value, now = subject_of(message.key() or b""), message.value(), shared.clock.now()
    _, written_at = message.timestamp()
    record = None
    if value is not None:
        record = _decoded(shared, value)
        if record is None:
            _log.error("opt_out_unreadable", partition=message.partition(), offset=message.offset())
            record = OptOut(medium="other", reason="unreadable_opt_out", occurred_at=written_at)
        else:
            subject = record.subject
    if not subject or "\0" in subject or len(subject) > _MAX_SUBJECT:
        return
    if record is None:
        lifted_at = read_lifted_at(dict(message.headers() or ()).get(LIFTED_AT))
        at = min(written_at if lifted_at is None else lifted_at, now)
        queries.opt_outs.record_opt_in(connection, {subject}, "other", "other", at)
    else:
        at = min(record.occurred_at, now)
        stored = StoredOptOut(subject, record.medium, record.reason.replace("\0", "")[:_MAX_REASON], record.source, at)
        queries.opt_outs.record(connection, [stored])


def read_lifted_at(header: str | bytes | None) -> Millis | None:
    """Return the time in the header; None if it holds none. Whoever may write the topic could write any bytes."""
    return int(header) if isinstance(header, bytes) and header.isdigit() and len(header) <= _LONGEST_TIME else None


def _decoded(shared: Shared, value: bytes) -> OptOut | None:
    try:
        return shared.codec.decode(OptOut, value)
    except BadRecord:
        return None
