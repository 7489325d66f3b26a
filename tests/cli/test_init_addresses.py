"""`lapse init` sends no secret where others could read it, and hands the Kafka client nothing that runs code."""

from pathlib import Path
from typing import Any

import pytest

from consumer.commands.init.channel import Channel
from consumer.commands.init.command import Options, main
from consumer.commands.terminal.exit_codes import CommandFailed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"channel": Channel(base_url="http://api.example.com")}, "--base-url is not encrypted"),
        ({"registry": "http://registry.example.com", "registry_user": "lapse"}, "--registry is not encrypted"),
        ({"client": {"plugin.library.paths": "/x.so"}}, "kafka.client: remove plugin.library.paths"),
    ],
)
def test_it_ends_before_anything_is_asked(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(CommandFailed, match=said):
        main(Options(output=tmp_path / "lapse.yaml", bootstrap_servers="localhost:1", **given))
    assert not (tmp_path / "lapse.yaml").exists()
