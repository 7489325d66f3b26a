"""Whether a ledger and the topics that it is fed from belong together. Pure.

The ledger ensures that nobody is written to twice. Every offset that deliver commits carries the id of the ledger that
knows what was done up to there; another ledger must not continue from that offset.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_BEGIN = (
    " To begin with this ledger all the same, and never send what was asked for up to now: stop every deliver, wait for"
    " a minute, and run `lapse ledger begin`."
)


def group_name(prefix: str, what: str) -> str:
    """Return the consumer group in which deliver reads `reminders` or `contacts`."""
    return f"{prefix}-deliver-{what}"


@dataclass(frozen=True, slots=True)
class GroupPosition:
    """One consumer group on its topic: the committed offsets by partition, and the ledger ids beside them."""

    name: str
    topic: str
    committed: Mapping[int, int]
    ledger_ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class LedgerPosition:
    """How far the ledger has read one topic, by partition; `doubtful`: how far it had, before a backup was restored."""

    read: Mapping[int, int]
    doubtful: Mapping[int, int]


def find_mismatch(
    ledger_id: str, location: str, groups: Mapping[str, tuple[GroupPosition, LedgerPosition]], *, published: bool
) -> str | None:
    """Return why this ledger must not be used with these topics, and what to do; None if it may be used.

    `location` is where it is: a file's path, or a database.
    `published`: outcomes have been published, so there was a ledger before. (Reminders prove nothing: detect may have
    run before the first deliver.)
    """
    empty = not any(held.read for _, held in groups.values())
    for group, _ in groups.values():
        if others := sorted(group.ledger_ids - {ledger_id, ""}):
            return (
                f"the consumer group {group.name} belongs to the ledger {others[0]}, and ledger.url names another one"
                f" ({ledger_id} at {location}): name the former one, or restore its backup." + _BEGIN
            )
        if empty and group.committed:
            return (
                f"the ledger at {location} is empty, but the consumer group {group.name} has read {group.topic} before:"
                " what it knew who was written to is elsewhere. Name that ledger in ledger.url, or restore its backup."
                + _BEGIN
            )
    if empty and published:
        return (
            f"the ledger at {location} is empty, but outcomes have been published before: a ledger that knew who was"
            " written to is"
            " elsewhere. Name that one in ledger.url, or restore its backup." + _BEGIN
        )
    return None


def offsets_ahead_of_ledger(group: GroupPosition, held: LedgerPosition) -> dict[int, int]:
    """Return the committed offsets, by partition, that are ahead of the ledger: it is a backup from before them.

    Offsets are committed only after the ledger has everything up to them, so nothing else puts them ahead.
    """
    return {
        number: offset
        for number, offset in group.committed.items()
        if offset > max(held.read.get(number, 0), held.doubtful.get(number, 0))
    }
