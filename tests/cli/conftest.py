"""The real command as a process, with a real broker and a stand-in for 1MSG."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from consumer.cli import app
from consumer.demo.broker import embedded_broker
from consumer.ledger.store import Ledger
from consumer.sandbox.app import Setup
from consumer.sandbox.server import Sandbox, running
from tests.app.processes import run_lapse

ROOT = Path(__file__).parents[2]
Lapse = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**more: str) -> dict[str, str]:
    """Ours without anything of Lapse's, so that a developer's own settings change no test."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LAPSE_")}
    return {**clean, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", **more}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "consumer.cli", *arguments]


@pytest.fixture
def lapse(tmp_path: Path) -> Lapse:
    """Runs `lapse` with these arguments and variables in a folder of its own, to its end."""

    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return run_lapse(arguments, environment(**variables), tmp_path)

    return run


@pytest.fixture
def lapse_anew(tmp_path: Path) -> Lapse:
    """As `lapse`, begun as a shell begins it."""

    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env=environment(**variables),
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def lapse_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lapse:
    """As `lapse`, without a process of its own, of which each takes a second to start: for stories of many commands."""

    def run(*arguments: str, typed: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
        handlers = logging.getLogger().handlers[:]
        with monkeypatch.context() as here:
            here.chdir(tmp_path)
            for name in [name for name in os.environ if name.startswith("LAPSE_")]:
                here.delenv(name)
            done = CliRunner().invoke(app, arguments, typed, env=variables, prog_name="lapse")
        logging.getLogger().handlers[:] = handlers
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def embedded() -> Iterator[str]:
    """The address of a broker that has the input topic."""
    with embedded_broker(["user-activity"]) as address:
        yield address


@pytest.fixture(scope="session")
def onemsg() -> Iterator[Sandbox]:
    """A stand-in for 1MSG whose messages reach people at once."""
    with running(Setup()) as sandbox:
        yield sandbox


@pytest.fixture
def service(tmp_path: Path, onemsg: Sandbox) -> Iterator[Ledger]:
    """The ledger as the service has it: SQLite, and nobody else may have it."""
    write(tmp_path, settings(onemsg))
    ledger = Ledger(f"sqlite:///{tmp_path}/lapse.db")
    yield ledger
    ledger.close()


def settings(onemsg: Sandbox, **sections: Any) -> dict[str, Any]:
    """A configuration with that channel; `TOKEN` is the variable that its token is in."""
    return {
        "processes": {"checkout": {"action": "your order", "remind_after": ["2h"]}},
        "onemsg": {
            "base_url": onemsg.base_url,
            "channel_id": onemsg.channel_id,
            "token": {"env": "TOKEN"},
            "template": {"name": onemsg.template, "namespace": onemsg.namespace, "language": onemsg.language},
        },
        **sections,
    }


def write(folder: Path, content: dict[str, Any]) -> None:
    (folder / "lapse.yaml").write_text(yaml.safe_dump(content))
