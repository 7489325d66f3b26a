"""The sandbox as a process of its own, and what it leaves alone."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from consumer.sandbox.app import Setup
from consumer.sandbox.faults.fault_rates import BadFaults
from consumer.sandbox.server import main, running
from tests.broker.broker import free_ports

ROOT = Path(__file__).parents[2]


def launch(arguments: str = "") -> subprocess.Popen[str]:
    code = f"import sys; from consumer.sandbox.server import main; sys.exit(main({arguments}))"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_its_first_line_tells_how_to_talk_to_it_and_a_signal_ends_it_with_0(ending: signal.Signals) -> None:
    process = launch("faults='created=1', latency=1, seed=3, rate=100.0, fixed_fates=False")
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert list(told) == ["base_url", "channel_id", "token", "template", "namespace", "language"]
        body = {
            "phone": "15551230004",
            "template": told["template"],
            "namespace": told["namespace"],
            "language": {"policy": "deterministic", "code": told["language"]},
            "params": [{"type": "body", "parameters": [{"type": "text", "text": text} for text in "ab"]}],
        }
        url = f"{told['base_url']}/{told['channel_id']}/sendTemplate"
        answer = httpx.post(url, json=body, headers={"Authorization": f"Bearer {told['token']}"})
        assert answer.status_code == 201
        process.send_signal(ending)
        rest, errors = process.communicate(timeout=20)
        assert (process.returncode, rest, errors) == (0, "", "")
    finally:
        process.kill()
        process.communicate()


def test_a_port_that_is_taken_and_a_bad_specification_are_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        main(taken.getsockname()[1])
    with pytest.raises(BadFaults):
        main(faults="gremlins=1")
    with pytest.raises(BadFaults), running(Setup(faults="gremlins=1")):
        pytest.fail("it must not start")


def test_it_takes_the_port_it_is_given_and_gives_it_back() -> None:
    [port] = free_ports(1)
    for _ in range(2):
        with running(Setup(port=port)) as sandbox:
            assert sandbox.base_url == f"http://127.0.0.1:{port}"
            assert httpx.get(f"{sandbox.base_url}/_sandbox/stats").json()["requests"] == 0


def test_two_sandboxes_in_one_process_know_nothing_of_each_other() -> None:
    with running() as one, running() as other:
        httpx.post(f"{one.base_url}/_sandbox/inbound", json={"phone": "15551230000", "body": "hello"})
        assert one.stats()["messages"]["kept"] == 1
        assert other.stats()["messages"]["kept"] == 0


@pytest.mark.slow
def test_the_rest_of_lapse_is_not_needed() -> None:
    code = "import sys, consumer.sandbox.server; print(*(name for name in sys.modules if name.startswith('consumer')))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name for name in run.stdout.split() if not name.startswith("consumer.sandbox")} == {"consumer"}
