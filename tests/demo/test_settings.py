"""The demo's settings say which topics the embedded broker must have."""

from pathlib import Path

from consumer.config.settings import Settings
from consumer.deliver.policy.holdout import held_out
from consumer.demo.people import people
from consumer.demo.settings import TOPICS, settings_for
from consumer.sandbox.server import Access


def settings() -> Settings:
    channel = Access("http://127.0.0.1:1", "channel", "token", "template", "namespace", "en")
    return settings_for("127.0.0.1:9092", channel, Path("demo"), 8080)


SETTINGS = settings()


def test_the_topics_are_those_that_the_service_uses() -> None:
    topics = SETTINGS.topics.model_dump(
        include={"contacts", "reminders", "delivery_status", "opt_outs", "dead_letters"}
    )
    assert set(TOPICS) == {SETTINGS.source.topic, SETTINGS.state_topic, *topics.values()}


def test_each_demo_has_a_webhook_secret_of_its_own() -> None:
    assert SETTINGS.web.webhook_secret
    assert SETTINGS.web.webhook_secret != settings().web.webhook_secret


def test_some_of_the_people_are_held_out_of_each_process() -> None:
    share, crowd = SETTINGS.policy.holdout, people(300, seed=1, now=0)
    for process in SETTINGS.processes:
        assert 15 < sum(held_out(person.contact.user_id, process, share, b"key") for person in crowd) < 50
