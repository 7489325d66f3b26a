"""What people do with commands is in the journal, with who did it, and without names and numbers."""

import getpass
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from consumer.ledger import queries
from consumer.ledger.store import Ledger
from consumer.sandbox.server import Sandbox
from tests.cli.conftest import Lapse, settings, write
from tests.timelines.deliver_diary import Diary


def journalled(folder: Path) -> list[tuple[str, str | None, str | None]]:
    """Return action, subject and detail of each entry, the oldest first."""
    with closing(Ledger(f"sqlite:///{folder}/lapse.db", read_only=True)) as ledger, ledger.reading() as connection:
        entries = queries.operating.journal.latest(connection, 99)
    assert all(entry.via == "command" and entry.actor.startswith(f"{getpass.getuser()}@") for entry in entries)
    return [(entry.action, entry.subject, entry.detail) for entry in reversed(entries)]


@pytest.mark.slow
def test_commands_are_journalled(tmp_path: Path, lapse_here: Lapse, onemsg: Sandbox) -> None:
    write(tmp_path, settings(onemsg))
    with closing(Diary(tmp_path, url=f"sqlite:///{tmp_path}/lapse.db")) as diary:
        diary.knows("maria").due("maria")

    def run(*arguments: str) -> Any:
        return lapse_here(*arguments, TOKEN=onemsg.token)

    run("pause")
    run("resume")
    run("opt-outs", "add", "maria", "--why", "she rang us")
    run("opt-outs", "lift", "maria", "--why", "she rang again")
    run("explain", "maria", "--reveal")
    run("send", "--phone", "+34612000777", "--name", "Ana", "--action", "your order")
    told = journalled(tmp_path)
    assert [action for action, _, _ in told] == ["pause", "resume", "opt_out", "lift", "reveal", "test_send"]
    assert told[4][1] == "maria"
    assert (told[5][2] or "").endswith("to …777")
    assert "612" not in str(told)
