"""Each replica of each role is restarted, one after the other, while people come, finish and fall silent."""

from pathlib import Path

import pytest

from tests.app.service import Sandbox
from tests.faults.replicas import channel
from tests.faults.rolling import Fleet
from tests.ledger.databases import emptied

__all__ = ["channel"]


@pytest.mark.postgres
def test_a_rolling_restart_loses_and_doubles_nothing(
    kafka: str, postgresql: str, channel: Sandbox, tmp_path: Path
) -> None:
    fleet = Fleet(kafka, channel, tmp_path, emptied(postgresql))
    try:
        fleet.replace_all()
        fleet.assert_nothing_lost_or_doubled()
    finally:
        fleet.stop()
