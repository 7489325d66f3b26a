"""Did the demo show what it promises? Judged by what can be seen from outside: the topic, and what 1MSG took. Pure."""

from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import Any

from consumer.demo.status_reader import StatusesRead

_REPORTED = frozenset({"sent", "delivered", "read"})
"""Statuses that only the provider can report."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen: `read` from the topic, and `taken` as `/_sandbox/messages` lists it.

    `agreed_numbers` are the phone numbers (digits) of the people who may be written to.
    """

    read: StatusesRead
    taken: Any
    agreed_numbers: frozenset[str]

    @property
    def taken_ids(self) -> frozenset[str]:
        """The ids of all messages that 1MSG took and still remembers."""
        return frozenset(message["id"] for message in self.taken["messages"])

    @property
    def named_ids(self) -> frozenset[str]:
        """The message ids in `delivery-status`."""
        return frozenset(chain(*self.read.message_ids.values()))


def complaints(seen: Evidence) -> list[str]:
    """Return what was wrong or missing; nothing, if all is well."""
    read, messages = seen.read, seen.taken["messages"]
    statuses = set(chain(*read.statuses.values()))
    times_taken = Counter(message["id"] for message in messages)
    unnamed, invented = len(seen.taken_ids - seen.named_ids), len(seen.named_ids - seen.taken_ids)
    in_doubt = sum("unknown" in told for reminder, told in read.statuses.items() if reminder not in read.message_ids)
    forgotten = seen.taken["accepted"] - len(messages)
    strangers = sum(message["phone"] not in seen.agreed_numbers for message in messages)
    checks = (
        (not messages, "no message was sent"),
        ("accepted" not in statuses, "delivery-status tells of no accepted message"),
        (not statuses & _REPORTED, "delivery-status tells of no message that was sent, delivered or read"),
        (read.unreadable, f"{read.unreadable} records of delivery-status could not be read"),
        *((len(ids) > 1, f"reminder {each} was sent {len(ids)} times") for each, ids in read.message_ids.items()),
        *((times > 1, f"message {message_id} was taken twice") for message_id, times in times_taken.items()),
        (unnamed > in_doubt, f"{unnamed} messages are not in delivery-status, and only {in_doubt} sends are in doubt"),
        (invented > forgotten, f"delivery-status names {invented} messages that nobody took"),
        (strangers, f"{strangers} messages went to a number that nobody has or whose owner did not agree"),
    )
    return [words for wrong, words in checks if wrong]
