"""Rebuilds the state topic from the input's history: detect drops its state and reads the input again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]

from consumer.clock import Millis
from consumer.detect.lapse_rules import AskedFrom
from consumer.kafka.changelog.latest_lineage import SealedBy, read_latest_lineages
from consumer.kafka.changelog.lineage import Lineage, latest_asked_from
from consumer.kafka.changelog.rebuild_marker import RebuildMarker
from consumer.kafka.changelog.segment_header import Seal
from consumer.kafka.clients import partition_offsets
from consumer.kafka.clients.error_codes import GROUP_ABSENT, TOPIC_ABSENT
from consumer.kafka.clients.output import Output

_REQUEST_TIMEOUT_S = 30.0


class RebuildRefused(Exception):
    """A rebuild would do harm now, or cannot be done; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildPlan:
    """What a rebuild would do. `begins` and `ends` are offsets of the input by partition; `remembered` is the number of
    partitions of the state topic; `grown_at` and `asked_from` are what is remembered (see `lineage.Lineage`), and
    `sealed_by` says by what; None if by nothing."""

    topic: str
    state_topic: str
    group: str
    begins: Mapping[int, int]
    ends: Mapping[int, int]
    remembered: int
    grown_at: Millis | None
    asked_from: AskedFrom
    sealed_by: SealedBy | None

    def outputs(self, reminders_topic: str, rebuilt: bytes, state_key: bytes) -> list[Output]:
        """Return the records to be written in one transaction with `offsets`; `state_key` is that of the checksums.

        `rebuilt` is an encoded reminder of kind REBUILT. It tells deliver that each unsent reminder is either requested
        again or no longer wanted.
        """
        markers = {
            number: RebuildMarker(
                group=self.group, offset=offset, grown_at=self.grown_at, asked_from=self.asked_from
            ).record(Seal(state_key, number))
            for number, offset in self.begins.items()
        }
        return [
            *(Output(self.state_topic, number, *marker) for number, marker in markers.items()),
            *(Output(reminders_topic, number, None, rebuilt) for number in markers),
        ]

    def offsets(self) -> list[TopicPartition]:
        """Return the offsets to commit, from which the group reads on."""
        return [TopicPartition(self.topic, number, offset) for number, offset in self.begins.items()]


def plan(
    admin: AdminClient,
    make_consumer: Callable[[], Consumer],
    *,
    topic: str,
    state_topic: str,
    reminders_topic: str,
    group: str,
    ladders: Mapping[str, Sequence[Millis]],
    state_key: bytes,
    now: Millis,
) -> RebuildPlan:
    """Plan a rebuild; changes nothing. `state_key` is that of the checksums.

    Raises RebuildRefused while detect is running, or if the state topic does not fit; KafkaException.
    """
    _refuse_while_at_work(admin, group)
    described = admin.describe_topics(TopicCollection([state_topic]))[state_topic]
    try:
        remembered = len(described.result(_REQUEST_TIMEOUT_S).partitions)
    except KafkaException as failure:
        if failure.args[0].code() not in TOPIC_ABSENT:
            raise
        raise RebuildRefused(f"the topic {state_topic} is not there: run `lapse topics --create` first") from None
    begins = partition_offsets.fetch_all(admin, topic, "earliest")
    if remembered > len(begins):
        raise RebuildRefused(
            f"{state_topic} has {remembered} partitions and {topic} only {len(begins)}: a topic cannot be given fewer."
            f" Delete {state_topic} (everything in it is made anew), run `lapse topics --create`, then this again"
        )
    ends = partition_offsets.fetch_all(admin, topic)
    if len(partition_offsets.fetch_all(admin, reminders_topic)) < len(begins):
        raise RebuildRefused(f"{reminders_topic} has fewer partitions than {topic}: give it {len(begins)}")
    found = read_latest_lineages(admin, make_consumer, state_topic, group=group, state_key=state_key, now=now)
    return RebuildPlan(
        topic=topic,
        state_topic=state_topic,
        group=group,
        begins=begins,
        ends=ends,
        remembered=remembered,
        grown_at=now if remembered < len(begins) else _grown_at(found.lineages, len(begins), now),
        asked_from=latest_asked_from(found.lineages, ladders, now),
        sealed_by=found.sealed_by,
    )


def add_state_partitions(admin: AdminClient, plan: RebuildPlan) -> None:
    """Give the state topic as many partitions as the input has. Raises KafkaException."""
    if plan.remembered < len(plan.begins):
        wanted = NewPartitions(plan.state_topic, len(plan.begins))
        admin.create_partitions([wanted])[plan.state_topic].result(_REQUEST_TIMEOUT_S)
        partition_offsets.fetch_all(admin, plan.state_topic)  # waits until they have leaders


def _refuse_while_at_work(admin: AdminClient, group: str) -> None:
    try:
        members = admin.describe_consumer_groups([group])[group].result(_REQUEST_TIMEOUT_S).members
    except KafkaException as failure:
        if failure.args[0].code() not in GROUP_ABSENT:
            raise
        return
    if members:
        names = ", ".join(sorted({member.group_instance_id or member.client_id for member in members}))
        raise RebuildRefused(
            f"detect is at work: {names} in the group {group}. Stop every detect process first. (One that was just"
            " stopped counts until its session ends, after 45 s unless kafka.client sets session.timeout.ms)"
        )


def _grown_at(stored: Sequence[Lineage], partitions: int, now: Millis) -> Millis | None:
    """Return when the input grew: now, if the state was written for fewer partitions, or what an earlier rebuild says.

    (The state topic may have been given more partitions together with the input.)
    """
    if any(lineage.partitions < partitions for lineage in stored):
        return now
    return max((lineage.grown_at for lineage in stored if lineage.grown_at is not None), default=None)
