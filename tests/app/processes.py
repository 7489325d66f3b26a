"""`lapse` in processes of their own that begin with its modules loaded, which saves each a second of processor time.

They are forked from a process that has nothing but the modules. How a command begins from nothing is tested beside
them: tests/cli/test_usage.py, tests/app/test_readme.py, tests/faults/rolling.py and others start Python anew.
"""

import io
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.app.loaded"])
_TIMEOUT_S = 120


class LapseProcess:
    """As `subprocess.Popen` of `lapse` with these arguments, as far as tests need it."""

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        output: Path,
        errors: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        """What it says is appended to `output`, and to `errors` if they are given; it runs in `folder`, or in ours."""
        given = list(arguments), dict(environment), output, errors or output, folder or Path.cwd()
        target = _context.Process(target=_run, args=given, daemon=True)
        target.start()
        assert target.pid is not None
        self._process = target
        self.pid = target.pid

    def poll(self) -> int | None:
        """Return its exit status, below zero for the signal that ended it; None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int:
        """Raises subprocess.TimeoutExpired."""
        self._process.join(seconds)
        if (status := self.poll()) is None:
            raise subprocess.TimeoutExpired("lapse", seconds)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def run_lapse(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `lapse` to its end. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryDirectory() as said:
        output, errors = Path(said, "output"), Path(said, "errors")
        process = LapseProcess(arguments, environment, output, errors, folder)
        try:
            status = process.wait(_TIMEOUT_S)
        finally:
            process.send_signal(signal.SIGKILL)
        return subprocess.CompletedProcess(arguments, status, output.read_text("utf-8"), errors.read_text("utf-8"))


def _run(arguments: list[str], environment: dict[str, str], output: Path, errors: Path, folder: Path) -> None:
    from consumer.cli import main

    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for stream, file in ((sys.stdout, output), (sys.stderr, errors)):
        said = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(said, stream.fileno())
        os.close(said)
        assert isinstance(stream, io.TextIOWrapper)
        stream.reconfigure(encoding="utf-8")
    sys.argv = ["lapse", *arguments]
    main()
