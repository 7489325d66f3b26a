"""Did the demo show what it promises? Judged by what can be seen from outside: the topic, and what 1MSG took. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from consumer.demo.tally import REACHED, Counts, Life


@dataclass(frozen=True, slots=True)
class Evidence:
    """`accepted` are the ids of the messages that the sandbox took and still remembers; `taken` counts all of them."""

    counts: Counts
    lives: Sequence[Life]
    accepted: Sequence[str]
    taken: int

    @property
    def named(self) -> frozenset[str]:
        """Every message id that `delivery-status` names."""
        return frozenset(message_id for life in self.lives for message_id in life.message_ids)

    @property
    def unnamed(self) -> frozenset[str]:
        """Messages that were taken and of which the topic does not tell: attempts that nobody has traced yet."""
        return frozenset(self.accepted) - self.named


def complaints(seen: Evidence) -> tuple[str, ...]:
    """What was missing; nothing, if all is well."""
    found = []
    if not seen.accepted:
        found.append("no message was sent")
    if not any("accepted" in life.seen for life in seen.lives):
        found.append("delivery-status tells of no accepted message")
    if not any(life.seen.intersection(REACHED) for life in seen.lives):
        found.append(f"delivery-status tells of no message that got any further ({', '.join(REACHED)})")
    if seen.counts.unreadable:
        found.append(f"{seen.counts.unreadable} records of delivery-status could not be read")
    return (*found, *_doubles(seen), *_invented(seen))


def _doubles(seen: Evidence) -> list[str]:
    """Two messages for one reminder: by their ids, or more of them than there are attempts without an answer."""
    found = [
        f"reminder {life.reminder_id} was sent {len(life.message_ids)} times"
        for life in seen.lives
        if len(life.message_ids) > 1
    ]
    repeated = [message_id for message_id, times in Counter(seen.accepted).items() if times > 1]
    found += [f"message {message_id} was taken twice" for message_id in repeated]
    unanswered = sum(1 for life in seen.lives if "unknown" in life.seen and not life.message_ids)
    if len(seen.unnamed) > unanswered:
        found.append(
            f"{len(seen.unnamed)} messages were taken of which delivery-status does not tell,"
            f" and only {unanswered} attempts are in doubt"
        )
    return found


def _invented(seen: Evidence) -> list[str]:
    strangers = seen.named - frozenset(seen.accepted)
    forgotten = seen.taken - len(seen.accepted)
    return [f"delivery-status names {len(strangers)} messages that nobody took"] if len(strangers) > forgotten else []
