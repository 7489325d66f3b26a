"""Halts a process for a while, as a debugger or a suspended machine does."""

import os
import signal
import subprocess


def halt(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    """Send SIGSTOP and return once the process stands still, until SIGCONT.

    On a busy machine its threads may run on for a tenth of a second after the signal was sent.
    """
    process.send_signal(signal.SIGSTOP)
    wait_until_halted(process)


def wait_until_halted(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    """Wait until SIGSTOP has stopped the process."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status), "it has ended"
