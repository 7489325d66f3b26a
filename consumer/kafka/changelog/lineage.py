"""What a partition's state was made from, and whether it still fits what is there.

Stored with the state, in the header of every segment. `check` is the one place that compares it, at start and before a
rebuild; while detect runs, the partition count guard watches the topic's id and partition count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from consumer.clock import Millis
from consumer.detect.volume import StoredVolume


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTopic:
    """The input as the broker describes it. `topic_id` changes when a topic is deleted and made again; None where the
    broker does not tell."""

    name: str
    topic_id: str | None
    partitions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLineage:
    """A process that the state knows. `ladder` is the latest it had; `gone_since` is when its name was first missing in
    the configuration. Nothing is asked of who was last seen before `not_before`: endings may have been missed."""

    ladder: Sequence[Millis]
    gone_since: Millis | None = None
    not_before: Millis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """`grown_at` is when the input last got more partitions: users moved between partitions, so a silence that began
    before it proves nothing. `volume` is the recent input."""

    topic_id: str | None
    partitions: int
    processes: Mapping[str, ProcessLineage] = field(default_factory=dict)
    grown_at: Millis | None = None
    volume: StoredVolume | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """How a stored lineage differs from what is there. `refusal` says why the state cannot be used, if it cannot; the
    others are names of processes."""

    refusal: str | None
    new: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def check(stored: Lineage, topic: InputTopic, ladders: Mapping[str, Sequence[Millis]]) -> Difference:
    """Compare a stored lineage with the input topic and the configured ladders."""
    known = stored.processes
    return Difference(
        _refusal(stored, topic),
        new=tuple(name for name in ladders if name not in known),
        back=tuple(name for name in ladders if name in known and known[name].gone_since is not None),
        gone=tuple(name for name in known if name not in ladders and known[name].gone_since is None),
        changed=tuple(name for name in ladders if name in known and list(known[name].ladder) != list(ladders[name])),
    )


def begin(topic: InputTopic, ladders: Mapping[str, Sequence[Millis]], grown_at: Millis | None = None) -> Lineage:
    """Return the lineage of a state that begins now."""
    processes = {name: ProcessLineage(ladder=list(ladder)) for name, ladder in ladders.items()}
    return Lineage(topic_id=topic.topic_id, partitions=topic.partitions, processes=processes, grown_at=grown_at)


def go_on(
    stored: Lineage,
    topic: InputTopic,
    ladders: Mapping[str, Sequence[Millis]],
    now: Millis,
    *,
    endings_missed: bool,
) -> Lineage:
    """Return the lineage that continues a stored one which fits.

    A process whose name is missing stays known, so that its events go on being applied. With `endings_missed` that is
    not possible, since the events' meaning is configured with the process: once it is back, its users count from then.
    """
    processes = {
        name: known if known.gone_since is not None else replace(known, gone_since=now)
        for name, known in stored.processes.items()
        if name not in ladders
    }
    for name, ladder in ladders.items():
        before = stored.processes.get(name)
        is_back = before is not None and before.gone_since is not None
        not_before = now if is_back and endings_missed else before.not_before if before else None
        processes[name] = ProcessLineage(ladder=list(ladder), not_before=not_before)
    return replace(stored, topic_id=topic.topic_id or stored.topic_id, processes=processes)


def _refusal(stored: Lineage, topic: InputTopic) -> str | None:
    if None not in (stored.topic_id, topic.topic_id) and stored.topic_id != topic.topic_id:
        return f"{topic.name} was deleted and made again since its state was written: its offsets mean other records"
    if stored.partitions != topic.partitions:
        return (
            f"{topic.name} has {topic.partitions} partitions now, and {stored.partitions} when its state was written:"
            " users have moved to other partitions and what is remembered of them has not. Let producers finish what"
            " they wrote before the change"
        )
    return None
