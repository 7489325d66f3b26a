"""`lapse check` on contacts: the newest can be read, and how many of the users seen could be written to."""

import json
from typing import Any

import pytest

from consumer.commands.check.people import check_people, check_reach, find_reachable
from consumer.commands.topic_sample import TopicSampler
from consumer.config.sections.kafka import KafkaSettings
from consumer.config.sections.policy import PolicySettings
from consumer.config.sections.processes import ProcessSettings
from consumer.config.settings import Settings
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import Publisher
from consumer.records import Contact
from consumer.wiring.shared import Shared
from tests.activity.writing import process
from tests.broker.topics import FreshTopics

PROCESSES: dict[str, ProcessSettings] = {"checkout": process()}
POLICY = PolicySettings()


def contact(user: str, **fields: Any) -> Contact:
    usual: dict[str, Any] = {"name": "Ann", "phone": "+34 612 345 678", "opt_in": True, "updated_at": 1}
    return Contact(user_id=user, **(usual | fields))


class Contacts:
    """A topic of contacts."""

    def __init__(self, kafka: str, topic: str) -> None:
        self._shared = Shared(Settings(kafka=KafkaSettings(bootstrap_servers=kafka), processes=PROCESSES))
        self._topic = topic

    def has(self, *records: Contact | bytes | tuple[str, None]) -> "Contacts":
        publisher = Publisher(self._shared.settings.kafka, self._shared.clock, name="crm")
        publisher.publish([self._output(record) for record in records])
        publisher.close()
        return self

    def _output(self, record: Contact | bytes | tuple[str, None]) -> Output:
        if isinstance(record, Contact):
            value = self._shared.codec.encode(record, self._topic)
            return Output(self._topic, 0, record.user_id.encode(), value)
        if isinstance(record, tuple):
            return Output(self._topic, 0, record[0].encode(), None)
        return Output(self._topic, 0, b"x", record)

    def told(self, *users: str, policy: PolicySettings = POLICY) -> list[str]:
        s = self._shared
        sampler = TopicSampler(s.admin, s.settings.kafka, s.clock, "lapse")
        return [str(line) for line in check_people(sampler, self._topic, s.codec, set(users), policy)[0]]


@pytest.fixture
def contacts(kafka: str, topics: FreshTopics) -> Contacts:
    return Contacts(kafka, topics(1, about="contacts"))


def test_users_seen_are_counted_by_what_their_contacts_have(contacts: Contacts) -> None:
    contacts.has(contact("ann"), contact("bob", phone="612"), contact("cat", opt_in=False), contact("dan"))
    contacts.has(contact("dan", name=None), contact("eve"), ("eve", None))
    first, second = contacts.told("ann", "bob", "cat", "dan", "eve", "fay")
    assert first.endswith(": the newest 7 can be read")
    assert second == (
        "✓ people: of 6 users seen, 4 have a contact, 3 a name, 3 a usable phone, 3 consent; 1 could be written to"
    )


def test_contacts_of_another_format_are_wrong(contacts: Contacts) -> None:
    contacts.has(*[json.dumps({"id": n, "tel": "612"}).encode() for n in range(20)])
    first, second = contacts.told("ann")
    assert "20 of the newest 20 would go to the dead letters, most as unframed: they are JSON" in first
    assert first.startswith("✗")
    assert second.startswith("✗ people: 1 users seen, none has a contact")
    assert "612" not in first


def test_no_contacts_yet_are_told(contacts: Contacts) -> None:
    first, second = contacts.told("ann")
    assert first.endswith(": none yet")
    assert second.startswith("✓ people: 1 users seen, none has a contact: nobody is written to without")


def test_topic_that_is_not_there_yet_says_so(contacts: Contacts, topics: FreshTopics) -> None:
    contacts._topic = "nobody-made-this-topic"
    assert contacts.told("ann")[0].startswith("✓ contacts in nobody-made-this-topic: none yet")


@pytest.mark.parametrize(
    ("fields", "policy", "advice"),
    [
        ({"opt_in": False}, {}, "nobody has consent, so nobody gets a message: opt_in must be true"),
        ({"phone": "12 34"}, {}, "nobody has a usable phone, so nobody gets a message: write phone numbers with +"),
        ({"name": ""}, {}, "nobody has a name, so nobody gets a message: add names"),
    ],
)
def test_nobody_can_be_written_to_is_wrong(fields: dict[str, Any], policy: dict[str, Any], advice: str) -> None:
    line = check_reach(find_reachable({"ann"}, {"ann": contact("ann", **fields)}, PolicySettings(**policy)), whole=True)
    assert not line.ok
    assert line.advice.startswith(advice)


def test_settings_may_stand_in_for_what_contacts_lack() -> None:
    policy = PolicySettings(default_name="friend", default_region="ES", require_opt_in=False)
    person = contact("ann", name=None, phone="612 345 678", opt_in=None)
    assert find_reachable({"ann"}, {"ann": person}, policy).users == {"ann"}
    declined = contact("ann", opt_in=False)
    assert not find_reachable({"ann"}, {"ann": declined}, policy).users, "a no is a no"


def test_ids_of_another_kind_are_pointed_out() -> None:
    line = check_reach(find_reachable({"42"}, {"user-42": contact("user-42")}, POLICY), whole=False)
    assert "the contacts' user_id must be the very id that the events have" in line.advice
    assert "by the newest 100,000 contacts" in line.text
