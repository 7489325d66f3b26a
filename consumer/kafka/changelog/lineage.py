"""What a partition's state was made from, and whether it still fits what is there.

Stored with the state, in the header of every segment. `check` is the one place that compares it, at start and before a
rebuild; while detect runs, the partition count guard watches the topic's id and partition count.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from consumer.clock import Millis
from consumer.detect.lapse_rules import EVERY_LAPSE, NEVER, AskedFrom
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
    before it proves nothing. `asked_from` remembers the first start, and rungs that were added. `volume` is the recent
    input. `begun_at` is when the state was begun with an empty table: what was begun at two times is two states."""

    topic_id: str | None
    partitions: int
    processes: Mapping[str, ProcessLineage] = field(default_factory=dict)
    grown_at: Millis | None = None
    asked_from: AskedFrom = EVERY_LAPSE
    volume: StoredVolume | None = None
    begun_at: Millis | None = None


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


def create(
    topic: InputTopic,
    ladders: Mapping[str, Sequence[Millis]],
    *,
    grown_at: Millis | None = None,
    asked_from: AskedFrom = EVERY_LAPSE,
    begun_at: Millis | None = None,
) -> Lineage:
    """Return the lineage of a state that begins now, with what a rebuild remembers of the one before."""
    return Lineage(
        topic_id=topic.topic_id,
        partitions=topic.partitions,
        processes={name: ProcessLineage(ladder=list(ladder)) for name, ladder in ladders.items()},
        grown_at=grown_at,
        asked_from=asked_from,
        begun_at=begun_at,
    )


def update(
    stored: Lineage,
    topic: InputTopic,
    ladders: Mapping[str, Sequence[Millis]],
    now: Millis,
    *,
    endings_missed: bool,
    started_at: Millis,
) -> Lineage:
    """Return the lineage that continues a stored one which fits, in a detect that was started at `started_at`.

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
    topic_id, asked_from = topic.topic_id or stored.topic_id, _with_new_rungs(stored, ladders, started_at)
    return replace(stored, topic_id=topic_id, processes=processes, asked_from=asked_from)


def latest_asked_from(lineages: Iterable[Lineage], ladders: Mapping[str, Sequence[Millis]], now: Millis) -> AskedFrom:
    """Return the latest of all moments: nothing is asked for that any of these would not have asked for.

    A rung that was not there before counts from now.
    """
    found = [_with_new_rungs(lineage, ladders, now) for lineage in lineages]
    start = max((each.start for each in found if each.start is not None), default=None)
    rungs: dict[str, dict[Millis, Millis]] = {}
    for name, spans in (pair for each in found for pair in each.rungs.items()):
        mine = rungs.setdefault(name, {})
        mine |= {span: max(moment, mine.get(span, NEVER)) for span, moment in spans.items()}
    return AskedFrom(start=start, rungs=rungs)


def _with_new_rungs(stored: Lineage, ladders: Mapping[str, Sequence[Millis]], started_at: Millis) -> AskedFrom:
    """Return from when on lapses are asked for: a rung that was not there before counts from this start."""
    rungs: dict[str, Mapping[Millis, Millis]] = {}
    for name, ladder in ladders.items():
        known = stored.processes.get(name)
        before = stored.asked_from.rungs.get(name, {})
        new = dict.fromkeys((span for span in ladder if known is None or span not in known.ladder), started_at)
        if kept := {span: moment for span, moment in {**before, **new}.items() if span in ladder}:
            rungs[name] = kept
    return replace(stored.asked_from, rungs=rungs)


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
