"""The state topic anew from the input's history: detect forgets what it remembers and reads everything again."""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]

from consumer.kafka.changelog.restore import REBUILT, anew
from consumer.kafka.clients import partition_offsets
from consumer.kafka.clients.error_codes import TOPIC_ABSENT
from consumer.kafka.clients.output import Output

_REQUEST_TIMEOUT_S = 30.0


class RebuildRefused(Exception):
    """It would do harm now, or cannot be done; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildPlan:
    """What a rebuild would do. `begins` and `ends` are offsets of the input by partition; `remembered` is how many
    partitions the state topic has."""

    topic: str
    state_topic: str
    group: str
    begins: Mapping[int, int]
    ends: Mapping[int, int]
    remembered: int

    def outputs(self) -> list[Output]:
        """To be written in one transaction with `offsets`."""
        return [
            Output(self.state_topic, number, REBUILT, anew(self.group, offset))
            for number, offset in self.begins.items()
        ]

    def offsets(self) -> list[TopicPartition]:
        """From where the group reads on."""
        return [TopicPartition(self.topic, number, offset) for number, offset in self.begins.items()]


def plan(admin: AdminClient, *, topic: str, state_topic: str, group: str) -> RebuildPlan:
    """Looks, and changes nothing.

    Raises RebuildRefused while detect is at work, or where the state topic cannot be put right; KafkaException.
    """
    _refuse_while_at_work(admin, group)
    found = admin.describe_topics(TopicCollection([state_topic]))[state_topic]
    try:
        remembered = len(found.result(_REQUEST_TIMEOUT_S).partitions)
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
    return RebuildPlan(
        topic=topic, state_topic=state_topic, group=group, begins=begins, ends=ends, remembered=remembered
    )


def add_state_partitions(admin: AdminClient, plan: RebuildPlan) -> None:
    """As many partitions in the state topic as in the input. Raises KafkaException."""
    if plan.remembered < len(plan.begins):
        wanted = NewPartitions(plan.state_topic, len(plan.begins))
        admin.create_partitions([wanted])[plan.state_topic].result(_REQUEST_TIMEOUT_S)
        partition_offsets.fetch_all(admin, plan.state_topic)  # (waits until they have leaders)


def _refuse_while_at_work(admin: AdminClient, group: str) -> None:
    try:
        members = admin.describe_consumer_groups([group])[group].result(_REQUEST_TIMEOUT_S).members
    except KafkaException as failure:
        if failure.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise
        return
    if members:
        names = ", ".join(sorted({member.group_instance_id or member.client_id for member in members}))
        raise RebuildRefused(
            f"detect is at work: {names} in the group {group}. Stop every detect process first. (One that was just"
            " stopped counts until its session ends, after 45 s unless kafka.client sets session.timeout.ms)"
        )
