"""`lapse check` says whether the topics belong to the ledger, on a real broker and in both databases."""

from pathlib import Path

import pytest

from consumer.commands.check.kafka import check_broker
from consumer.commands.check.ledger import check_ledger, topic_positions
from consumer.commands.terminal.output import CheckResult
from consumer.config.loader import load
from consumer.config.settings import Settings
from consumer.deliver.operations.ledger_identity import group_name
from consumer.kafka.clients import group_offsets
from consumer.ledger import queries
from consumer.ledger.store import Ledger
from consumer.sandbox.server import Sandbox
from tests.broker.topics import FreshTopics, fresh_name
from tests.cli.conftest import settings, write


@pytest.fixture
def known(topics: FreshTopics, kafka: str, ledger_url: str, tmp_path: Path, onemsg: Sandbox) -> Settings:
    named = {name: topics(1, about=name) for name in ("contacts", "reminders", "delivery_status")}
    content = settings(
        onemsg,
        kafka={"bootstrap_servers": kafka, "group_prefix": fresh_name("check")},
        topics=named,
        ledger={"url": ledger_url},
    )
    write(tmp_path, content)
    return load(tmp_path / "lapse.yaml")


def made(known: Settings, read: int) -> str:
    """A ledger that has so many reminders from the topic; its id."""
    opened = Ledger(known.ledger.url)
    with opened.transaction() as connection:
        queries.replicas.advance_offsets(connection, known.topics.reminders, {0: read} if read else {})
    opened.close()
    return opened.id


def commits(known: Settings, offset: int, mark: str) -> None:
    name = group_name(known.kafka.group_prefix, "reminders")
    group_offsets.move(known.kafka, name, known.topics.reminders, {0: offset}, mark)


def checked(known: Settings) -> CheckResult:
    return check_ledger(known.ledger.url, topic_positions(known, check_broker(known.kafka)[1]))


def test_one_that_is_yet_to_be_made_for_topics_that_are_new(known: Settings) -> None:
    line = checked(known)
    assert line.ok
    assert "will be created" in line.text


def test_one_that_has_all_that_was_read(known: Settings) -> None:
    commits(known, 5, made(known, 5))
    assert str(checked(known)) == "✓ ledger: opens, and its schema is right"


def test_that_of_somebody_else(known: Settings) -> None:
    made(known, 5)
    commits(known, 5, "another-ledger")
    line = checked(known)
    assert not line.ok
    assert "belongs to the ledger another-ledger" in line.advice
    assert "`lapse ledger begin`" in line.advice


def test_an_empty_one_beside_a_past(known: Settings) -> None:
    commits(known, 5, made(known, 0))
    line = checked(known)
    assert not line.ok
    assert "the ledger is empty, but the consumer group" in line.advice


def test_none_at_all_beside_a_past_and_the_look_makes_none(known: Settings) -> None:
    commits(known, 5, "the-lost-one")
    for _ in range(2):
        line = checked(known)
        assert not line.ok
        assert (
            "belongs to the ledger the-lost-one, and ledger.url names another one (one yet to be made)" in line.advice
        )


def test_a_backup_that_was_put_back_and_the_look_settles_nothing(known: Settings) -> None:
    commits(known, 9, made(known, 5))
    for _ in range(2):
        line = checked(known)
        assert line.ok
        assert line.text == f"ledger: is a restored backup; deliver had already read more of {known.topics.reminders}"
        assert "sends none of it" in line.advice
