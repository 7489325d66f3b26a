"""What a message must have said that was sent before the ledger was restored, written once more from what is known."""

from collections.abc import Sequence

from sqlalchemy import Connection

from consumer.clock import Millis
from consumer.deliver.policy.checks import Facts
from consumer.deliver.recipients.identity import phone_hash
from consumer.deliver.recipients.person import Person, read_people
from consumer.deliver.sending.facts import SenderConfig
from consumer.deliver.sending.medium import Medium
from consumer.deliver.tracking.restored_attempts import RebuiltMessage
from consumer.deliver.unit_of_work import Key
from consumer.ledger import queries
from consumer.ledger.schema.rows import ContactRow, ReminderRow
from consumer.onemsg.message import TemplateMessage


class MessageRebuilder:
    """Writes messages of one medium once more; nothing is sent."""

    def __init__(self, medium: Medium[TemplateMessage], config: SenderConfig, hash_key: bytes) -> None:
        self._medium = medium
        self._config = config
        self._hash_key = hash_key

    def rebuild(self, connection: Connection, rows: Sequence[ReminderRow], now: Millis) -> dict[Key, RebuiltMessage]:
        """Return the messages of those of these reminders whose recipient and text are certain.

        The contact must be as it was when the reminder lapsed, or have a number that the reminder was sent to before.
        """
        config = self._config
        rows = [row for row in rows if row.medium == self._medium.name]
        if not rows or not config.barrier.is_passed(connection, now):
            return {}
        contacts = queries.contacts.by_user(connection, {row.user_id for row in rows})
        people = read_people(contacts, config.default_region, with_zones=False, text_check=config.text_check)
        tried = queries.attempts.phone_hashes_of(connection, {row.reminder_id for row in rows})
        found = {}
        for row in rows:
            contact, person = contacts.get(row.user_id), people.get(row.user_id, Person())
            if contact is None or person.phone is None:
                continue
            hashed = phone_hash(person.phone, self._hash_key)
            if not (_is_as_at_lapse(contact, row) or hashed in tried.get(row.reminder_id, ())):
                continue
            if (text := self._text(row, person, now)) is not None:
                found[row.key] = RebuiltMessage(person.phone, text)
        return found

    def _text(self, row: ReminderRow, person: Person, now: Millis) -> str | None:
        """Return the text in the person's best language; None if the template's is not known, or there is no name."""
        name, plan = person.name or self._config.default_name, self._config.plans.get(row.process)
        if name is None or plan is None:
            return None
        variant = plan.variants(person.locale)[0]
        facts = Facts(
            now=now,
            rules=self._config.rules,
            lapsed_at=row.lapse_time,
            last_seen=row.last_seen,
            watermark=None,
            contacts_read=True,
            name=name,
            phone=person.phone,
        )
        try:
            return self._medium.write(row, facts, variant, now).text
        except Exception:  # noqa: BLE001 - what cannot be written now was not written then
            return None


def _is_as_at_lapse(contact: ContactRow, row: ReminderRow) -> bool:
    return contact.updated_at is not None and contact.updated_at <= row.lapse_time
