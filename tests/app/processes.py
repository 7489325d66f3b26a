"""`lapse` in processes of their own that begin with its modules loaded, which saves each a second of processor time.

They are forked from a process that has nothing but the modules. How a command begins from nothing is tested beside
them: tests/cli, tests/app/test_readme.py and tests/faults/rolling.py start Python anew.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.app.loaded"])


class LapseProcess:
    """As `subprocess.Popen` of `lapse` with these arguments, as far as tests need it."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], output: Path) -> None:
        """What it says is appended to `output`."""
        target = _context.Process(target=_run, args=(list(arguments), dict(environment), output), daemon=True)
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


def _run(arguments: list[str], environment: dict[str, str], output: Path) -> None:
    from consumer.cli import main

    os.environ.clear()
    os.environ.update(environment)
    said = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(said, stream)
    os.close(said)
    sys.argv = ["lapse", *arguments]
    main()
