"""`lapse resolve` while a service runs, without one, and with nothing to resolve."""

from pathlib import Path

from consumer.ledger.store import Ledger
from consumer.sandbox.server import Sandbox
from tests.cli.conftest import Lapse, settings, write


def test_wrong_usage_is_explained(lapse: Lapse, tmp_path: Path, onemsg: Sandbox) -> None:
    write(tmp_path, settings(onemsg))
    for arguments in ((), ("some-id",), ("--sent",), ("--since", "2026-03-01", "--sent")):
        assert lapse("resolve", *arguments, TOKEN=onemsg.token).returncode == 2


def test_time_needs_a_zone(lapse: Lapse, tmp_path: Path, onemsg: Sandbox) -> None:
    write(tmp_path, settings(onemsg))
    for since in ("2026-03-01T09:00", "yesterday", "2026-03-01"):
        done = lapse("resolve", "--since", since, "--until", "2026-03-02T09:00Z", "--sent", TOKEN=onemsg.token)
        assert done.returncode == 2
        assert "with its zone" in done.stderr


def test_nothing_unresolved_is_reported(lapse: Lapse, tmp_path: Path, onemsg: Sandbox) -> None:
    write(tmp_path, settings(onemsg))
    Ledger(f"sqlite:///{tmp_path / 'lapse.db'}").close()
    done = lapse("resolve", "some-id", "--not-sent", TOKEN=onemsg.token)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing was changed" in done.stderr


def test_resolve_while_the_service_runs_on_sqlite(lapse: Lapse, tmp_path: Path, onemsg: Sandbox) -> None:
    write(tmp_path, settings(onemsg))
    ledger = Ledger(f"sqlite:///{tmp_path / 'lapse.db'}")
    done = lapse(
        "resolve", "--since", "2026-03-01T00:00Z", "--until", "2026-03-02T00:00Z", "--sent", TOKEN=onemsg.token
    )
    ledger.close()
    assert done.returncode == 1
    assert "none of these reminders is unresolved" in done.stderr
