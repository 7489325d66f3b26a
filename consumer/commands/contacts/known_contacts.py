"""What the contacts topic knows of the users of a file, and what becomes of it with a row of the file."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from consumer.activity.errors import BadRecord
from consumer.activity.schemas.framing import text_of_key
from consumer.clock import Millis
from consumer.commands.contacts.scratch_database import open_scratch
from consumer.config.sections.kafka import KafkaSettings
from consumer.deliver.policy.consent import CompanyRecord, record_after
from consumer.kafka.clients import group_offsets, partition_offsets
from consumer.records import Contact


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactChange:
    """What a row says about a user: the values of the columns that the file has, and when that was so."""

    user_id: str
    values: Mapping[str, Any]
    updated_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownContact:
    """A user's latest contact, in which nothing that earlier records said about consent is missing.

    `partitions` are those with a record of the user, the latest last: whoever writes about them writes there, or a
    compacted topic keeps two records. `contact` is None after a deletion.
    """

    contact: Contact | None = None
    declined_at: Millis | None = None
    partitions: tuple[int, ...] = ()
    written_at: Millis = 0


def merged(known: Contact | None, change: ContactChange) -> Contact:
    """Return the contact with the row's values in place of what was known. Pure.

    An empty cell empties its field, so that no message goes to a number that was taken out. About consent it says
    nothing. Consent that the file does not mention keeps its date, since `updated_at` says how old it is.
    """
    base = known or Contact(user_id=change.user_id, updated_at=change.updated_at)
    said = {name: value for name, value in change.values.items() if value is not None or name not in _CONSENT}
    keeps_consent = base.opt_in is not None and "opt_in" not in said
    return replace(base, **said, updated_at=base.updated_at if keeps_consent else change.updated_at)


_CONSENT = frozenset({"opt_in", "opted_in_at"})


def after_record(known: KnownContact, contact: Contact | None, partition: int, written_at: Millis) -> KnownContact:
    """Return what is known once one more record of the user was read. Pure.

    Of records in several partitions the one that was written last counts.
    """
    partitions = (*(each for each in known.partitions if each != partition), partition)
    if written_at < known.written_at and partition not in known.partitions[-1:]:
        return replace(known, partitions=(partition, *(each for each in known.partitions if each != partition)))
    if contact is None:
        return KnownContact(partitions=partitions, written_at=written_at)
    before = known.contact
    record = CompanyRecord() if before is None else CompanyRecord(before.opt_in, known.declined_at, before.opted_in_at)
    record = record_after(record, contact.opt_in, contact.opted_in_at, contact.updated_at, max(written_at, 0))
    keeps_consent = contact.opt_in is None and before is not None and before.opt_in is not None
    return KnownContact(
        contact=replace(
            contact,
            opt_in=record.opt_in,
            opted_in_at=record.opted_in_at,
            updated_at=before.updated_at if before is not None and keeps_consent else contact.updated_at,
        ),
        declined_at=record.declined_at,
        partitions=partitions,
        written_at=written_at,
    )


class KnownContacts:
    """The known contacts of some users."""

    def __init__(self, users: Iterable[str]) -> None:
        self._database = open_scratch("known (user_id TEXT PRIMARY KEY, found TEXT) WITHOUT ROWID")
        self._database.executemany("INSERT OR IGNORE INTO known (user_id) VALUES (?)", ((user,) for user in users))

    def read(
        self, kafka: KafkaSettings, admin: AdminClient, topic: str, decode: Callable[[type[Contact], bytes], Contact]
    ) -> None:
        """Read the topic up to its present end.

        Raises KafkaException, RegistryUnavailable.
        """
        ends = partition_offsets.fetch_all(admin, topic)
        for batch in group_offsets.read_between(kafka, topic, {}, ends):
            for message in batch:
                self.take(message, decode)

    def take(self, message: Message, decode: Callable[[type[Contact], bytes], Contact]) -> None:
        """Note what a record of the topic tells.

        What deliver cannot take either (`decode` raises BadRecord) is passed over, and so is a value that names another
        user than its key: it tells nothing of the key's.
        """
        user_id, value = text_of_key(message.key() or b""), message.value()
        if not self._is_wanted(user_id):
            return
        try:
            contact = None if value is None else decode(Contact, value)
        except BadRecord:
            return
        if contact is not None and contact.user_id != user_id:
            return
        _, written_at = message.timestamp()
        found = after_record(self.of(user_id or ""), contact, message.partition() or 0, written_at)
        text = json.dumps(asdict(found))
        self._database.execute("UPDATE known SET found = ? WHERE user_id = ?", (text, user_id))

    def of(self, user_id: str) -> KnownContact:
        row = self._database.execute("SELECT found FROM known WHERE user_id = ?", (user_id,)).fetchone()
        if row is None or row[0] is None:
            return KnownContact()
        found = json.loads(row[0])
        contact = None if found["contact"] is None else Contact(**found["contact"])
        return KnownContact(**{**found, "contact": contact, "partitions": tuple(found["partitions"])})

    def close(self) -> None:
        self._database.close()

    def _is_wanted(self, user_id: str | None) -> bool:
        try:
            return self._database.execute("SELECT 1 FROM known WHERE user_id = ?", (user_id,)).fetchone() is not None
        except UnicodeEncodeError:  # half a surrogate pair is in no file
            return False
