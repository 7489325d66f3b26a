"""Opens the ledger, and makes sure that it belongs to these topics and is not a backup of an earlier state."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ParamSpec

import structlog
from confluent_kafka.admin import AdminClient
from prometheus_client import Counter

from consumer.config.loader import ledger_hash_key
from consumer.config.settings import Settings
from consumer.deliver.operations import ledger_identity, ledger_restore
from consumer.deliver.operations.ledger_identity import GroupPosition, LedgerPosition
from consumer.kafka.at_least_once_consumer import NotNow
from consumer.kafka.clients import group_offsets, partition_offsets
from consumer.kafka.dead_letters.isolation import BatchRefused
from consumer.ledger import queries
from consumer.ledger.errors import LedgerRefused, NoLedger, is_about_a_value, is_transient
from consumer.ledger.store import Ledger, location
from consumer.metrics import DeliverMetrics
from consumer.wiring.deliver.opt_outs_topic import read_opt_outs
from consumer.wiring.deliver.topic_lineage import follow_topics
from consumer.wiring.shared import Shared

P = ParamSpec("P")
_log = structlog.get_logger()


def open_ledger(shared: Shared, metrics: DeliverMetrics) -> Ledger:
    """Open the ledger; settle what a restored backup leaves in doubt. Raises LedgerRefused, with what to do."""
    _compare_before_making(shared)
    hash_key = ledger_hash_key(shared.settings)
    ledger = Ledger(shared.settings.ledger.url, hash_key=hash_key)
    if ledger.version_before != ledger.version:
        _log.info("ledger_upgraded", before=ledger.version_before or "none", after=ledger.version)
    try:
        assert ledger.hash_key  # it is given, or in the ledger
        if hash_key is None:
            _log.info("hash_key_in_the_ledger", advice="set ledger.hash_key, to know opted-out numbers in a new ledger")
        follow_topics(shared, ledger)
        positions = compare_with_topics(shared.settings, shared.admin, ledger)
        if positions.refusal:
            raise LedgerRefused(positions.refusal)
        read_opt_outs(shared, ledger)
        if positions.lost:
            ledger_restore.mark_unsent_unknown(ledger, positions.lost, metrics=metrics, now=shared.clock.now)
    except BaseException:
        ledger.close()
        raise
    return ledger


def _compare_before_making(shared: Shared) -> None:
    """Raise LedgerRefused if a ledger that is yet to be made does not fit the topics: none must be left behind."""
    try:
        Ledger(shared.settings.ledger.url, read_only=True).close()
    except NoLedger:
        if refusal := compare_with_topics(shared.settings, shared.admin, None).refusal:
            raise LedgerRefused(refusal) from None
    except LedgerRefused:
        return  # an older one, which is about to be brought up to date, or what the caller is going to see itself


def wait_for_ledger(handle: Callable[P, None], errors: Counter, part: str) -> Callable[P, None]:
    """Wrap a handler so that a ledger out of reach, or busy with what another replica does, is waited for.

    `errors` (`ServiceMetrics.part_errors`) counts that with the label `part`.

    Raises NotNow then; BatchRefused if it refuses the values, or holds one that no code expects, as it would again.
    Other errors pass.
    """

    def handled(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            handle(*args, **kwargs)
        except Exception as error:
            if is_transient(error):
                errors.labels(part, "ledger").inc()
                raise NotNow(type(error).__name__) from error
            if is_about_a_value(error):
                raise BatchRefused(type(error).__name__) from error
            raise

    return handled


def next_offsets(ledger: Ledger, topic: str) -> dict[int, int]:
    """Return how far the ledger has each partition of a topic."""
    with ledger.reading() as connection:
        return queries.replicas.next_offsets(connection, topic)


@dataclass(frozen=True, slots=True)
class TopicPositions:
    """What a ledger has read, compared with what deliver's consumer groups have committed."""

    refusal: str | None
    """Why the ledger must not be used, and what to do."""
    lost: Mapping[str, Mapping[int, int]]
    """By topic and partition, the offset up to which it was once read, if it is a backup from before that."""


def compare_with_topics(settings: Settings, admin: AdminClient, ledger: Ledger | None) -> TopicPositions:
    """Compare; change nothing. None is a ledger that is yet to be made. Raises KafkaException."""
    # First the broker, then the ledger: other replicas are at work, and the ledger is never behind what they commit.
    groups = _group_positions(settings, admin)
    published = any(partition_offsets.fetch_all(admin, settings.topics.delivery_status).values())
    positions = {topic: (group, _ledger_position(ledger, topic)) for topic, group in groups.items()}
    ahead = {topic: ledger_identity.offsets_ahead_of_ledger(*position) for topic, position in positions.items()}
    ledger_id = ledger.id if ledger else "one yet to be made"
    mismatch = ledger_identity.find_mismatch(ledger_id, location(settings.ledger.url), positions, published=published)
    return TopicPositions(mismatch, {topic: offsets for topic, offsets in ahead.items() if offsets})


def _group_positions(settings: Settings, admin: AdminClient) -> dict[str, GroupPosition]:
    """Return what deliver's consumer groups have committed, by topic."""
    kafka, topics = settings.kafka, settings.topics
    found = {}
    for topic, what in ((topics.reminders, "reminders"), (topics.contacts, "contacts")):
        name = ledger_identity.group_name(kafka.group_prefix, what)
        committed = group_offsets.committed(kafka, name, topic, partition_offsets.fetch_all(admin, topic))
        ledger_ids = frozenset(position.ledger_id for position in committed.values())
        offsets = {number: position.offset for number, position in committed.items()}
        found[topic] = GroupPosition(name, topic, offsets, ledger_ids)
    return found


def _ledger_position(ledger: Ledger | None, topic: str) -> LedgerPosition:
    if ledger is None:
        return LedgerPosition({}, {})
    with ledger.reading() as connection:
        return LedgerPosition(
            queries.replicas.next_offsets(connection, topic), queries.replicas.doubtful_offsets(connection, topic)
        )
