"""`lapse demo` as a user starts it: everything real, in a process of its own."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = [sys.executable, "-m", "consumer.cli", "demo"]


@pytest.mark.slow
def test_reminders_go_out_and_their_fate_is_read_back(tmp_path: Path) -> None:
    done = subprocess.run(
        [*DEMO, "--seconds", "14"], capture_output=True, text=True, timeout=90, env=_environment(tmp_path)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "none was sent twice" in done.stdout
    assert re.search(r"^ +[1-9]\d*  (sent|delivered|read)", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"\+\d+ ••• ••\d\d  Hello, ", done.stdout), done.stdout
    assert not re.search(r"\+\d{6}", done.stdout), "no phone is shown whole"
    [first] = re.findall(r"first message was taken ([\d.]+) s after", done.stdout)
    assert float(first) < 14
    assert not list(tmp_path.iterdir()), "a demo that went well leaves nothing behind"


@pytest.mark.slow
def test_interrupted_too_early_it_says_what_was_missing_and_keeps_the_log(tmp_path: Path) -> None:
    with subprocess.Popen(
        DEMO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment(tmp_path)
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        told, problems = process.communicate(timeout=60)
    assert process.returncode == 1, told + problems
    assert "  - no message was sent" in told
    [log] = tmp_path.glob("*/lapse.log")
    assert str(log) in told


def _environment(temporary: Path) -> dict[str, str]:
    return {"PATH": "", "TMPDIR": str(temporary), "PYTHONPATH": str(Path(__file__).parents[2])}
