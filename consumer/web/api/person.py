"""`GET /api/person`: one person's story, and `POST /api/person/reveal`: their name and number, journalled."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from consumer.clock import Clock, Millis
from consumer.detect.lapse_rules import LapseRules
from consumer.insight.activity_history import Activity
from consumer.insight.explanation import (
    ContactRules,
    PersonQuery,
    PersonStory,
    ask_ledger,
    read_contact,
    tell_person,
    user_of,
)
from consumer.ledger import queries
from consumer.ledger.queries.operating.journal import Actor
from consumer.ledger.store import Ledger
from consumer.web.api.operation import Question, Text

ReadActivities: TypeAlias = Callable[[str, Collection[int]], "list[Activity] | str"]
"""Reads a user's activities from these partitions of the topic (all, if none): or says why that is not possible."""


class PersonQuestion(Question):
    """Whom: by a user's id, or by that of a reminder or a message of theirs. With `activities` the topic is read as
    well, which takes a moment."""

    id: Text
    by: Literal["user", "reminder", "message"] = "user"
    activities: bool = False

    @property
    def asked(self) -> PersonQuery:
        return PersonQuery(**{f"{self.by}_id": self.id})  # type: ignore[arg-type]


class RevealQuestion(Question):
    """Whose name and number to show."""

    user: Text


@dataclass(frozen=True, slots=True)
class Revealed:
    """A person's name and phone number, as far as the contact has them."""

    user_id: str
    name: str | None
    phone: str | None


class NobodyFound(Exception):
    """There is nobody of this id."""


class PersonView:
    """Asks ledger and topic. Blocks its thread."""

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        *,
        contact_rules: ContactRules,
        lapse_rules: LapseRules,
        read_activities: ReadActivities,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._contact_rules = contact_rules
        self._lapse_rules = lapse_rules
        self._read_activities = read_activities

    def find(self, text: str) -> PersonQuestion:
        """Return the question that this text is about: the id of a user, a reminder or a message.

        Raises NobodyFound.
        """
        with self._ledger.reading() as connection:
            if queries.reporting.people.anything_of(connection, text):
                return PersonQuestion(id=text)
            for found in (PersonQuestion(id=text, by="reminder"), PersonQuestion(id=text, by="message")):
                if user_of(connection, found.asked) is not None:
                    return found
        raise NobodyFound("the ledger has no user, reminder or message of this id")

    def story(self, asked: PersonQuestion) -> PersonStory:
        """Return the story. Raises NobodyFound."""
        with self._ledger.reading() as connection:
            user_id = user_of(connection, asked.asked)
            if user_id is None:
                raise NobodyFound("the ledger has no such reminder or message: it may be older than ledger.keep")
            found = ask_ledger(connection, self._ledger.hash_key, self._contact_rules, user_id, self._clock.now())
        activities = None
        if asked.activities:
            read = self._read_activities(user_id, found.partitions)
            if isinstance(read, str):
                found.notes.append(read)
            else:
                activities = read
        return tell_person(found, activities, self._lapse_rules, list(self._lapse_rules.ladders))

    def reveal(self, asked: RevealQuestion, by: Actor) -> Revealed:
        """Return the person's name and number, once it is journalled that somebody looked. Raises NobodyFound."""
        with self._ledger.transaction() as connection:
            contact, person = read_contact(connection, self._contact_rules, asked.user)
            if contact is None:
                raise NobodyFound("there is no contact of this user")
            now: Millis = self._clock.now()
            queries.operating.journal.add(connection, now, by, "reveal", subject=asked.user)
        return Revealed(asked.user, contact.name, person.phone or contact.phone)
