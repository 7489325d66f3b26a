"""`lapse pause` and `lapse resume` while a service uses the ledger."""

from pathlib import Path

from consumer.ledger import queries
from consumer.ledger.store import Ledger
from consumer.sandbox.server import Sandbox
from tests.cli.conftest import Lapse, settings, write


def paused(ledger: Ledger) -> set[str]:
    with ledger.reading() as connection:
        return set(queries.pauses.paused_since(connection))


def test_process_is_paused_and_resumed_while_the_service_runs(lapse: Lapse, service: Ledger) -> None:
    done = lapse("pause", "checkout")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "checkout is paused: reminders wait, and expire 3d after their lapse\n"
    assert paused(service) == {"checkout"}
    assert lapse("pause", "checkout").stdout.startswith("checkout has been paused since 20")
    done = lapse("resume", "checkout")
    assert (done.returncode, done.stdout) == (0, "checkout is resumed; reminders that waited for it: 0\n")
    assert paused(service) == set()
    assert lapse("resume", "checkout").stdout == "checkout was not paused\n"


def test_pause_of_everything_is_separate(lapse: Lapse, service: Ledger) -> None:
    lapse("pause")
    done = lapse("resume", "checkout")
    assert done.stdout == "checkout was not paused\nstill paused: everything (lapse resume)\n"
    lapse("pause", "checkout")
    done = lapse("resume")
    assert done.stdout.splitlines()[1] == "still paused: checkout (lapse resume checkout)"
    assert paused(service) == {"checkout"}


def test_unknown_process_suggests_the_nearest(lapse: Lapse, service: Ledger) -> None:
    done = lapse("pause", "chekout")
    assert done.returncode == 2
    assert "there is no process chekout; did you mean checkout?" in done.stderr
    assert paused(service) == set()
    assert lapse("pause", "").returncode == 2


def test_removed_process_can_be_resumed(lapse: Lapse, service: Ledger) -> None:
    with service.transaction() as connection:
        queries.pauses.pause(connection, "old", 0)
    assert lapse("resume", "old").returncode == 0
    assert lapse("resume", "old").returncode == 2


def test_missing_ledger_is_reported(lapse: Lapse, tmp_path: Path, onemsg: Sandbox) -> None:
    write(tmp_path, settings(onemsg))
    done = lapse("pause")
    assert done.returncode == 1
    assert f"there is no ledger at {tmp_path}/lapse.db yet: the first `lapse run` makes it" in done.stderr
    assert "the same lapse.yaml (--config)" in done.stderr
    assert not (tmp_path / "lapse.db").exists()
