"""Whether a ledger and the topics it is fed from belong together. Pure.

The ledger is what keeps anybody from being written to twice. Beside every offset that deliver commits stands the id of
the ledger that knows what was done up to there; a ledger that does not know it must not go on from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_BEGIN = (
    " To begin with this ledger all the same, and never send what was asked for up to now: stop every deliver, wait for"
    " a minute, and run `lapse ledger begin`."
)


def group_name(prefix: str, what: str) -> str:
    """The consumer group in which deliver reads `reminders` or `contacts`."""
    return f"{prefix}-deliver-{what}"


@dataclass(frozen=True, slots=True)
class GroupPosition:
    """One consumer group on its topic: what is committed there by partition, and the marks beside it."""

    name: str
    topic: str
    committed: Mapping[int, int]
    marks: frozenset[str]


@dataclass(frozen=True, slots=True)
class LedgerPosition:
    """How far the ledger has one topic by partition, and up to where it once was further, before a backup."""

    read: Mapping[int, int]
    doubtful: Mapping[int, int]


def refusal(ledger_id: str, groups: Mapping[str, tuple[GroupPosition, LedgerPosition]], *, told: bool) -> str | None:
    """Why this ledger must not be used with these topics, in words and with what to do. None if it may.

    `told` says that outcomes have been published: somebody had a ledger here. (That there are reminders says nothing:
    detect may have been at work before the first deliver.)
    """
    empty = not any(held.read for _, held in groups.values())
    for group, _ in groups.values():
        if others := sorted(group.marks - {ledger_id, ""}):
            return (
                f"the consumer group {group.name} belongs to the ledger {others[0]}, and ledger.url names another one"
                f" ({ledger_id}): name the former one, or restore its backup." + _BEGIN
            )
        if empty and group.committed:
            return (
                f"the ledger is empty, but the consumer group {group.name} has read {group.topic} before: what it knew"
                " who was written to is elsewhere. Name that ledger in ledger.url, or restore its backup." + _BEGIN
            )
    if empty and told:
        return (
            "the ledger is empty, but outcomes have been published before: a ledger that knew who was written to is"
            " elsewhere. Name that one in ledger.url, or restore its backup." + _BEGIN
        )
    return None


def lost(group: GroupPosition, held: LedgerPosition) -> dict[int, int]:
    """By partition, up to where the ledger was once read and is no longer: it is a backup from before that.

    Offsets are committed after the ledger has everything up to them, so they are never ahead of it otherwise.
    """
    return {
        number: offset
        for number, offset in group.committed.items()
        if offset > max(held.read.get(number, 0), held.doubtful.get(number, 0))
    }
