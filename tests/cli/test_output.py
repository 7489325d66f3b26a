"""Sentences of the commands on a terminal and in a pipe."""

import os
import pty
import subprocess
from pathlib import Path

from tests.cli.conftest import Lapse, command, environment


def on_a_terminal(folder: Path, *arguments: str, columns: int) -> list[str]:
    """Run the command with a terminal of that width; return the lines that it shows."""
    ours, theirs = pty.openpty()
    run = subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(COLUMNS=str(columns), TERM="dumb"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        timeout=60,
        check=False,
    )
    assert run.returncode
    shown = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    return shown.splitlines()


def test_long_sentences_are_wrapped_on_a_terminal_only(tmp_path: Path, lapse: Lapse) -> None:
    line = lapse("topics", "--config", "no/such/file.yaml").stderr.strip()
    assert len(line) > 80
    shown = on_a_terminal(tmp_path, "topics", "--config", "no/such/file.yaml", columns=80)
    assert len(shown) > 1
    assert max(map(len, shown)) <= 80
    assert " ".join(part.strip() for part in shown) == line
