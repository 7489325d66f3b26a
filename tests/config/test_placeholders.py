"""`CHANGE-ME` is no value, wherever it stands."""

from pathlib import Path

import pytest

from consumer.config.errors import ConfigError
from consumer.config.loader import read_secret
from consumer.config.placeholders import placeholder_problems
from consumer.config.types import Secret
from tests.config.config_files import CHANNEL, SMALL, loaded


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("kafka: {bootstrap_servers: 'CHANGE-ME:9092'}", "kafka.bootstrap_servers"),
        ("source: {topic: change-me}", "source.topic"),
        ("web: {public_url: 'https://CHANGE-ME.example.com'}", "web.public_url"),
        ("policy: {only_users: [CHANGE-ME]}", "policy.only_users[0]"),
        (CHANNEL.replace("ns", "CHANGE-ME"), "onemsg.template.namespace"),
    ],
)
def test_placeholder_is_found_in_every_section(file: Path, more: str, path: str) -> None:
    assert placeholder_problems(loaded(file, SMALL + more)) == [f"{path}: is still CHANGE-ME: write your own value"]


def test_text_of_a_process_may_be_one_too(file: Path) -> None:
    settings = loaded(file, "processes: {CHANGE-ME: {action: CHANGE-ME, remind_after: [2h]}}")
    assert [each.partition(":")[0] for each in placeholder_problems(settings)] == [
        "processes.CHANGE-ME.action",
        "processes.CHANGE-ME",
    ]


def test_secret_may_not_be_one() -> None:
    with pytest.raises(ConfigError, match=r"onemsg.token: is still CHANGE-ME: set your own value"):
        read_secret(Secret(env="TOKEN"), "onemsg.token", {"TOKEN": "CHANGE-ME"})
