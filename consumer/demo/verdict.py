"""Did the demo show what it promises? Judged by what can be seen from outside: the topic, and what 1MSG took. Pure."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consumer.clock import Millis
from consumer.records import DeliveryStatus

_REPORTED = frozenset({"sent", "delivered", "read"})
"""Statuses that only the provider can report."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen: the records of `delivery-status`, and `taken` as `/_sandbox/messages` lists it.

    Every record since `complete_from` is there. `unreadable` were no statuses. `agreed_numbers` are the phone numbers
    (digits) of the people who may be written to.
    """

    records: Sequence[DeliveryStatus]
    taken: Any
    agreed_numbers: frozenset[str]
    complete_from: Millis = 0
    unreadable: int = 0

    @property
    def named_ids(self) -> set[str]:
        """The message ids in `delivery-status`."""
        return {record.message_id for record in self.records if record.message_id}


def complaints(seen: Evidence) -> list[str]:
    """Return what was wrong or missing; nothing, if all is well."""
    messages, statuses = seen.taken["messages"], {record.status for record in seen.records}
    ids_of: defaultdict[str, set[str]] = defaultdict(set)
    for record in seen.records:
        if record.message_id:
            ids_of[record.reminder_id].add(record.message_id)
    named, times_taken = seen.named_ids, Counter(message["id"] for message in messages)
    unnamed = len({m["id"] for m in messages if m["time"] >= seen.complete_from} - named)
    invented, forgotten = len(named - times_taken.keys()), seen.taken["accepted"] - len(messages)
    in_doubt = len({record.reminder_id for record in seen.records if record.status == "unknown"} - ids_of.keys())
    strangers = sum(message["phone"] not in seen.agreed_numbers for message in messages)
    checks = (
        (not messages, "no message was sent"),
        ("accepted" not in statuses, "delivery-status tells of no accepted message"),
        (not statuses & _REPORTED, "delivery-status tells of no message that was sent, delivered or read"),
        (seen.unreadable, f"{seen.unreadable} records of delivery-status could not be read"),
        *((len(ids) > 1, f"reminder {each} was sent {len(ids)} times") for each, ids in ids_of.items()),
        *((times > 1, f"message {message_id} was taken twice") for message_id, times in times_taken.items()),
        (unnamed > in_doubt, f"{unnamed} messages are not in delivery-status, and only {in_doubt} sends are in doubt"),
        (invented > forgotten, f"delivery-status names {invented} messages that nobody took"),
        (strangers, f"{strangers} messages went to a number that nobody has or whose owner did not agree"),
    )
    return [words for wrong, words in checks if wrong]
