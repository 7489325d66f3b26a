"""Opens the ledger, and makes sure that it is the one that these topics belong to, as it was when it was left."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec

import structlog
from confluent_kafka.admin import AdminClient
from sqlalchemy.exc import SQLAlchemyError

from consumer.config.settings import Settings
from consumer.deliver.operations import ledger_identity, ledger_restore
from consumer.deliver.operations.ledger_identity import GroupPosition, LedgerPosition
from consumer.kafka.at_least_once_consumer import NotNow
from consumer.kafka.clients import group_offsets, partition_offsets
from consumer.ledger import queries
from consumer.ledger.errors import LedgerRefused, is_transient
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.records import OptOut
from consumer.wiring.shared import Shared

P = ParamSpec("P")
_log = structlog.get_logger()


def opened(shared: Shared, metrics: DeliverMetrics) -> Ledger:
    """Raises LedgerRefused, with what to do."""
    ledger = Ledger(shared.settings.ledger.url)
    try:
        seen = look(shared.settings, shared.admin, ledger)
        if seen.refusal:
            raise LedgerRefused(seen.refusal)
        if seen.lost:
            _read_opt_outs_again(shared, ledger)
            ledger_restore.mark_unsent_unknown(ledger, seen.lost, metrics=metrics, now=shared.clock.now)
    except BaseException:
        ledger.close()
        raise
    return ledger


def patiently(handle: Callable[P, None]) -> Callable[P, None]:
    """Wrap a handler so that a ledger out of reach, or busy with what another replica does, is waited for.

    What the ledger refuses for its content is raised: it would be refused again.
    """

    def handled(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            handle(*args, **kwargs)
        except SQLAlchemyError as problem:
            if not is_transient(problem):
                raise
            raise NotNow(type(problem).__name__) from problem

    return handled


def read_up_to(ledger: Ledger, topic: str) -> dict[int, int]:
    """How far the ledger has each partition of a topic."""
    with ledger.reading() as connection:
        return queries.replicas.next_offsets(connection, topic)


@dataclass(frozen=True, slots=True)
class TopicPositions:
    """A ledger beside what deliver's consumer groups have committed."""

    refusal: str | None
    """Why it must not be used, and what to do."""
    lost: Mapping[str, Mapping[int, int]]
    """By topic and partition, up to where it was once read: it is a backup from before that."""


def look(settings: Settings, admin: AdminClient, ledger: Ledger | None) -> TopicPositions:
    """Changes nothing. None is a ledger that is yet to be made. Raises KafkaException."""
    # First the broker, then the ledger: other replicas are at work, and the ledger is never behind what they commit.
    known = _groups(settings, admin)
    published = any(partition_offsets.fetch_all(admin, settings.topics.delivery_status).values())
    seen = {topic: (of, _held(ledger, topic)) for topic, of in known.items()}
    lost = {topic: ledger_identity.lost(of, held) for topic, (of, held) in seen.items()}
    why = ledger_identity.refusal(ledger.id if ledger else "one yet to be made", seen, published=published)
    return TopicPositions(why, {topic: spots for topic, spots in lost.items() if spots})


def _groups(settings: Settings, admin: AdminClient) -> dict[str, GroupPosition]:
    """What deliver's consumer groups have committed, by topic."""
    kafka, topics = settings.kafka, settings.topics
    found = {}
    for topic, what in ((topics.reminders, "reminders"), (topics.contacts, "contacts")):
        name = ledger_identity.group_name(kafka.group_prefix, what)
        spots = group_offsets.committed(kafka, name, topic, partition_offsets.fetch_all(admin, topic))
        marks = frozenset(spot.ledger_id for spot in spots.values())
        found[topic] = GroupPosition(name, topic, {number: spot.offset for number, spot in spots.items()}, marks)
    return found


def _held(ledger: Ledger | None, topic: str) -> LedgerPosition:
    if ledger is None:
        return LedgerPosition({}, {})
    with ledger.reading() as connection:
        return LedgerPosition(
            queries.replicas.next_offsets(connection, topic), queries.replicas.doubtful_offsets(connection, topic)
        )


def _read_opt_outs_again(shared: Shared, ledger: Ledger) -> None:
    """Who opted out since the backup was made is on their topic, and nowhere else."""
    topic, found = shared.settings.topics.opt_outs, list[OptOut]()

    def take(value: bytes) -> None:
        found.append(shared.codec.decode(OptOut, value))

    group_offsets.read_all(shared.settings.kafka, topic, partition_offsets.fetch_all(shared.admin, topic), take)
    _keep(ledger, found)
    _log.info("opt_outs_read_again", count=len(found))


def _keep(ledger: Ledger, found: Sequence[OptOut]) -> None:
    with ledger.transaction() as connection:
        for stop in found:
            subject = f"user:{stop.user_id}"
            queries.opt_outs.record(connection, [subject], stop.medium, stop.reason, stop.occurred_at)
