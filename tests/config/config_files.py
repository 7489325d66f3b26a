"""Small configurations, and helpers that load them."""

from pathlib import Path

import pytest

from consumer.config.loader import ConfigError, load
from consumer.config.settings import Settings

SMALL = """
processes:
  checkout: {action: your order, remind_after: [2h]}
  account-setup: {action: account setup, remind_after: [24h, 72h]}
"""
CHANNEL = """
onemsg:
  channel_id: CH1
  token: {env: ONEMSG_TOKEN}
  template: {namespace: ns}
"""


def loaded(file: Path, text: str, **environ: str) -> Settings:
    file.write_text(text)
    return load(file, environ)


def problems(file: Path, text: str, **environ: str) -> list[str]:
    """What is said of it, without the file's folder."""
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(file, environ)
    return [line.replace(f"{file.parent}/", "") for line in raised.value.problems]
