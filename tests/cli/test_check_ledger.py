"""`lapse check` compares the ledger with the topics, on a real broker and in both databases."""

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


def test_new_ledger_for_new_topics(known: Settings) -> None:
    line = checked(known)
    assert line.ok
    assert "will be created" in line.text


def test_ledger_that_matches_the_topics(known: Settings) -> None:
    commits(known, 5, made(known, 5))
    assert str(checked(known)) == "✓ ledger: opens, and its schema is right"


def test_foreign_ledger(known: Settings) -> None:
    made(known, 5)
    commits(known, 5, "another-ledger")
    line = checked(known)
    assert not line.ok
    assert "belongs to the ledger another-ledger" in line.advice
    assert "`lapse ledger begin`" in line.advice


def test_empty_ledger_with_earlier_outcomes(known: Settings) -> None:
    commits(known, 5, made(known, 0))
    line = checked(known)
    assert not line.ok
    assert "is empty, but the consumer group" in line.advice


def test_missing_ledger_with_earlier_outcomes_is_not_created(known: Settings) -> None:
    commits(known, 5, "the-lost-one")
    for _ in range(2):
        line = checked(known)
        assert not line.ok
        assert (
            "belongs to the ledger the-lost-one, and ledger.url names another one (one yet to be made at "
            in line.advice
        )


def test_restored_backup_is_reported_and_not_changed(known: Settings) -> None:
    commits(known, 9, made(known, 5))
    for _ in range(2):
        line = checked(known)
        assert line.ok
        assert line.text == f"ledger: is a restored backup; deliver had already read more of {known.topics.reminders}"
        assert "sends nothing that was unsent" in line.advice
