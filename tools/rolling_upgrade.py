"""Upgrades two replicas of each role, one after the other, under load: `python -m tools.rolling_upgrade COMMIT`.

The replicas begin with the code of COMMIT, which must be able to run with today's packages, and end with that of this
checkout, on a real broker and a real PostgreSQL. Ends with a traceback unless everybody who fell silent has exactly one
message, and nobody else any. Takes a few minutes, and git's history; so it is no part of the tests.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.app.service import sandbox
from tests.broker.find import running_kafka
from tests.faults.rolling import Fleet
from tests.ledger import postgresql
from tests.ledger.databases import emptied

ROOT = Path(__file__).parents[1]


def main(commit: str) -> None:
    with tempfile.TemporaryDirectory(prefix="lapse-upgrade-") as folder:
        old = Path(folder, "old")
        _git("worktree", "add", "--quiet", "--detach", str(old), commit)
        try:
            with running_kafka() as kafka, postgresql.running() as url, sandbox() as channel:
                _upgrade(Fleet(kafka, channel, Path(folder), emptied(url), old))
        finally:
            _git("worktree", "remove", "--force", str(old))


def _upgrade(fleet: Fleet) -> None:
    try:
        fleet.replace_all(ROOT, lambda name: sys.stdout.write(f"{name} upgraded, {len(fleet.sent())} messages sent\n"))
        fleet.assert_nothing_lost_or_doubled()
        silent, finished = len(fleet.users.silent), len(fleet.users.finished)
        sys.stdout.write(f"{silent} people fell silent and have one message each, {finished} finished and have none\n")
    finally:
        fleet.stop()


def _git(*arguments: str) -> None:
    subprocess.run(["git", "-C", str(ROOT), *arguments], check=True)  # noqa: S603, S607


if __name__ == "__main__":
    main(sys.argv[1])
