"""The check of the contacts: can the newest be read, and how many of the users seen could be written to?

No message names a person.
"""

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass

from confluent_kafka import KafkaException

from consumer.activity.errors import BadRecord, RegistryUnavailable
from consumer.activity.record_codec import RecordCodec
from consumer.activity.whole_events import is_json
from consumer.commands import kafka_probe
from consumer.commands.terminal.output import CheckResult
from consumer.commands.topic_sample import Sample, TopicSampler
from consumer.config.sections.policy import PolicySettings
from consumer.deliver.policy.consent import may_be_asked
from consumer.onemsg.phone import Phone, normalize_phone
from consumer.records import Contact

MAX_CONTACTS, MAX_BYTES = 100_000, 64 * 1024 * 1024
_MAX_BAD_SHARE = 0.01
_JSON = (
    "they are JSON, and contacts are Avro (schemas/contact.avsc): write them by that schema, or as a CSV file with"
    " `lapse contacts import`; topics.contacts must be a topic that only holds contacts"
)


def check_people(
    sampler: TopicSampler, topic: str, codec: RecordCodec, users: Set[str], policy: PolicySettings
) -> tuple[list[CheckResult], Set[str]]:
    """Check the newest contacts, and these users, who were seen in the input, against them.

    Returns those users who could be written to, too.
    """
    try:
        sample = sampler.newest(topic, MAX_CONTACTS, MAX_BYTES)
        contacts, bad = read_contacts(sample, codec)
    except (KafkaException, RegistryUnavailable) as problem:
        why = kafka_probe.why_not_read(problem)
        return [CheckResult(False, f"contacts in {topic}", f"they cannot be read: {why}")], frozenset()
    lines = [_readable(topic, sample, bad)]
    if not users:
        return lines, frozenset()
    if not contacts:
        advice = "nobody is written to without a contact: see `lapse contacts import --help`"
        text = f"people: {len(users):,} users seen, none has a contact"
        return [*lines, CheckResult(not bad, text, advice, {"users": len(users)})], frozenset()
    reach = find_reachable(users, contacts, policy)
    return [*lines, check_reach(reach, whole=sample.is_whole)], reach.users


def read_contacts(sample: Sample, codec: RecordCodec) -> tuple[dict[str, Contact], Counter[tuple[str, str]]]:
    """Return the latest contact of each user, and how many values cannot be read, by reason and what to do.

    Raises RegistryUnavailable.
    """
    found: dict[str, Contact] = {}
    bad: Counter[tuple[str, str]] = Counter()
    for message in sample:
        value = message.value()
        if value is None:
            found.pop((message.key() or b"").decode("utf-8", "replace"), None)
            continue
        try:
            contact = codec.decode(Contact, value)
        except BadRecord as problem:
            bad[problem.reason, _JSON if is_json(value) else problem.error] += 1
        else:
            found[contact.user_id] = contact
    return found, bad


@dataclass(frozen=True, slots=True)
class Reach:
    """Of `seen` users, those who could be written to, and how many have each of the things that this takes."""

    seen: int
    users: Set[str]
    counts: Mapping[str, int]


def find_reachable(users: Set[str], contacts: Mapping[str, Contact], policy: PolicySettings) -> Reach:
    """Find who of these users has a contact, a name, a usable phone and consent."""
    required = policy.require_opt_in
    known = {user: contacts[user] for user in users if user in contacts}
    having = {
        "a contact": set(known),
        "a name": {user for user, contact in known.items() if policy.default_name or (contact.name or "").strip()},
        "a usable phone": {user for user, contact in known.items() if _has_phone(contact, policy)},
        "consent": {user for user, contact in known.items() if may_be_asked(contact.opt_in, require_opt_in=required)},
    }
    return Reach(len(users), set.intersection(*having.values()), {what: len(who) for what, who in having.items()})


def check_reach(reach: Reach, *, whole: bool) -> CheckResult:
    """Tell the numbers; failed if nobody has all that it takes. `whole`: all contacts were read."""
    figures = {what.removeprefix("a ").replace(" ", "_"): count for what, count in reach.counts.items()}
    figures |= {"users": reach.seen, "reachable": len(reach.users)}
    said = ", ".join(f"{n:,} {what}" for what, n in reach.counts.items()).replace(" ", " have ", 1)
    among = "" if whole else f" (by the newest {MAX_CONTACTS:,} contacts)"
    text = f"people: of {reach.seen:,} users seen, {said}; {len(reach.users):,} could be written to{among}"
    return CheckResult(bool(reach.users), text, "" if reach.users else _advice(reach.counts), figures)


def _has_phone(contact: Contact, policy: PolicySettings) -> bool:
    return isinstance(normalize_phone(contact.phone, policy.default_region), Phone)


def _advice(counts: Mapping[str, int]) -> str:
    lacking = next((key for key, count in counts.items() if not count), "all of these together")
    what = {
        "a contact": "the contacts' user_id must be the very id that the events have",
        "a name": "add names, or set policy.default_name",
        "a usable phone": "write phone numbers with + and the country code, or set policy.default_region",
        "consent": "opt_in must be true in the contacts of people who agreed (does the export have that column?);"
        " policy.require_opt_in: false sends where nothing is said about it",
    }
    return f"nobody has {lacking}, so nobody gets a message: {what.get(lacking, 'see the numbers')}"


def _readable(topic: str, sample: Sample, bad: Counter[tuple[str, str]]) -> CheckResult:
    if not len(sample):
        return CheckResult(True, f"contacts in {topic}: none yet", "", {"contacts": 0})
    figures = {"looked_at": len(sample), "unreadable": bad.total()}
    if not bad:
        return CheckResult(True, f"contacts in {topic}: the newest {len(sample):,} can be read", "", figures)
    ((reason, error), _), *_ = bad.most_common(1)
    return CheckResult(
        bad.total() <= _MAX_BAD_SHARE * len(sample),
        f"contacts in {topic}",
        f"{bad.total():,} of the newest {len(sample):,} would go to the dead letters, most as {reason}: {error}",
        figures,
    )
