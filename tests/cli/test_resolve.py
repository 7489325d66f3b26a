"""`lapse resolve`, beside a service, without one, and where there is nothing to settle."""

from pathlib import Path

from consumer.ledger.store import Ledger
from consumer.sandbox.server import Sandbox
from tests.cli.conftest import Lapse, settings, write


def test_it_says_how_it_wants_to_be_asked(lapse: Lapse, tmp_path: Path, onemsg: Sandbox) -> None:
    write(tmp_path, settings(onemsg))
    for arguments in ((), ("some-id",), ("--sent",), ("--since", "2026-03-01", "--sent")):
        assert lapse("resolve", *arguments, TOKEN=onemsg.token).returncode == 2


def test_where_nothing_is_unknown_it_says_so(lapse: Lapse, tmp_path: Path, onemsg: Sandbox) -> None:
    write(tmp_path, settings(onemsg))
    done = lapse("resolve", "some-id", "--not-sent", TOKEN=onemsg.token)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing was changed" in done.stderr


def test_beside_a_service_on_sqlite_it_says_what_to_do(lapse: Lapse, tmp_path: Path, onemsg: Sandbox) -> None:
    write(tmp_path, settings(onemsg))
    ledger = Ledger(f"sqlite:///{tmp_path / 'lapse.db'}")
    done = lapse("resolve", "--since", "2026-03-01", "--until", "2026-03-02", "--sent", TOKEN=onemsg.token)
    ledger.close()
    assert done.returncode == 1
    assert "stop it, or use PostgreSQL" in done.stderr
