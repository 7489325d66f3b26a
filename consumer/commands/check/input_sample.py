"""The check of the newest records of the input topic: they can be read, and each user is in one partition.

A user in two partitions may be silent in one and active in the other; detect reads partitions separately, and would
request a reminder. No message names a user.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from consumer.activity.decoder import ActivityDecoder, Decoded
from consumer.clock import MINUTE, Millis
from consumer.commands.terminal.output import CheckResult
from consumer.commands.topic_sample import Sample
from consumer.config.types import format_millis
from consumer.wiring.activity_reader import decode_messages

_MAX_BAD_SHARE = 0.01
"""Up to this share, unreadable records are normal and go to the dead letters; more are a mistake."""


def decode(sample: Sample, decoder: ActivityDecoder, now: Millis) -> dict[int, Decoded]:
    """Decode a sample as detect would, by partition. Raises RegistryUnavailable."""
    return {number: decode_messages(decoder, messages, now) for number, messages in sample.messages.items()}


def check_decoded(topic: str, decoded: Mapping[int, Decoded], clock_doubt: Millis) -> Iterator[CheckResult]:
    """Check that the records can be read, that their times can be right, and that each user is in one partition."""
    yield check_readable(topic, list(decoded.values()))
    if apart := check_times(topic, list(decoded.values()), clock_doubt):
        yield apart
    yield check_partitioning(topic, {number: set(found.frame["user_id"]) for number, found in decoded.items()})


def check_readable(topic: str, decoded: Sequence[Decoded]) -> CheckResult:
    """Check that the records can be read, and that some of them concern a process."""
    bad = Counter((bad.reason, bad.error) for found in decoded for bad in found.bad)
    good, ignored = sum(found.frame.height for found in decoded), sum(found.ignored for found in decoded)
    if bad:
        ((reason, error), _), *_ = bad.most_common(1)
        advice = (
            f"{bad.total():,} of the newest records would go to the dead letters, most of them as {reason}: {error}"
        )
        ok = bad.total() <= _MAX_BAD_SHARE * (bad.total() + good + ignored)
        return CheckResult(ok, f"records of {topic}", advice)
    if ignored and not good:
        advice = f"none of the newest {ignored:,} concerns a process: do source and processes match the events?"
        return CheckResult(False, f"records of {topic}", advice)
    return CheckResult(True, f"records of {topic}: the newest can be read" if good else f"records of {topic}: none yet")


def check_times(topic: str, decoded: Sequence[Decoded], clock_doubt: Millis) -> CheckResult | None:
    """Return a failed check if most event times differ from their record times by more than `clock_doubt`."""
    skew = np.concatenate([found.skew for found in decoded]) if decoded else np.empty(0, np.int64)
    apart = int(np.count_nonzero(np.abs(skew) > clock_doubt))
    if 2 * apart <= skew.size:
        return None
    median = int(np.median(skew))
    span = format_millis(abs(median) - abs(median) % MINUTE)
    return CheckResult(
        False,
        f"times of {topic}",
        f"{apart:,} of the newest {skew.size:,} events have times further from their records' than detect.clock_doubt,"
        f" {span} {'before' if median > 0 else 'after'} them (the median): whole hours are a time zone that producers"
        " leave out, anything else is history that is being written anew. Nothing is asked for while this is so",
    )


def check_partitioning(topic: str, users: Mapping[int, set[str]]) -> CheckResult:
    """Check that no user is in two partitions. `users` are the ids by partition."""
    places = Counter(user for some in users.values() for user in some)
    twice = sum(number > 1 for number in places.values())
    if not twice:
        return CheckResult(True, f"users of {topic}: each of the newest {len(places):,} is in one partition")
    return CheckResult(
        False,
        f"users of {topic}",
        f"{twice:,} of the newest {len(places):,} are in several partitions, so somebody who is active in one could be"
        " reminded because of another: let all producers use the user's id as the key and the same partitioner (the"
        " defaults of Java and librdkafka differ), and do not change the number of partitions",
    )
