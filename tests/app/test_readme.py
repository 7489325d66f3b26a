"""The README's first message, followed to the letter on a broker of its own, and its reader of outcomes."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SystemClock
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import Publisher
from tests.broker.broker import Broker, free_ports
from tests.broker.topics import FreshTopics
from tests.cli.test_status import record

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TIMEOUT_S = 600


def blocks(heading: str, language: str) -> list[str]:
    """Return the code blocks in this language under a heading."""
    section = README.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_first_message_as_the_readme_tells_it(own_kafka: Broker, tmp_path: Path) -> None:
    install, *steps = blocks("Your first message, against a stand-in", "bash")
    assert "pip install ." in install
    story = "set -e\ntrap 'kill $(jobs -p)' EXIT\n" + "\n".join(steps)
    sandbox_port, web_port = map(str, free_ports(2))
    for said, meant in (("localhost:9092", own_kafka.bootstrap), ("8099", sandbox_port)):
        assert said in story
        story = story.replace(said, meant)
    # `lapse` and `python` are this checkout's; the web port is a free one, since another test may have 8080.
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, module in (("lapse", "-m consumer.cli"), ("python", "")):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        (tools / name).chmod(0o755)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LAPSE_")}
    here = clean | {
        "PATH": f"{tools}:{Path(sys.executable).parent}:{clean['PATH']}",
        "PYTHONPATH": str(ROOT),
        "LAPSE_WEB__PORT": web_port,
        "LAPSE_KAFKA__BOOTSTRAP_SERVERS": own_kafka.bootstrap,
    }
    folder = tmp_path / "first-message"
    folder.mkdir()
    done = subprocess.run(
        ["bash", "-c", story], cwd=folder, env=here, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr + _log(folder)
    assert not [line for line in done.stdout.splitlines() if line.startswith("✗")], done.stdout
    assert "✓ events seen: cart.updated 20 (goes on with checkout), order.paid 5 (completes checkout)" in done.stdout
    messages = json.loads(done.stdout.splitlines()[-1])["messages"]
    names = [message["params"][0] for message in messages]
    assert names[:1] == ["Ana"], "the trial's own"
    assert sorted(names[1:]) == ["Ana", "Luis"], done.stdout + _log(folder)
    assert "suppressed (final) no_opt_in" in done.stdout


@pytest.mark.slow
def test_outcomes_are_read_in_ten_lines(own_kafka: Broker, tmp_path: Path) -> None:
    [code] = blocks("Your first message, against a stand-in", "python")
    assert len([line for line in code.splitlines() if line]) <= 10
    (tmp_path / "delivery_status.avsc").write_text((ROOT / "schemas/delivery_status.avsc").read_text())
    (tmp_path / "outcomes.py").write_text(code.replace("localhost:9092", own_kafka.bootstrap))
    FreshTopics(own_kafka.bootstrap).create("delivery-status", 1)
    codec, clock = RecordCodec(WriterSchemas(SystemClock())), SystemClock()
    publisher = Publisher(KafkaSettings(bootstrap_servers=own_kafka.bootstrap), clock, name="deliver")
    publisher.publish([Output("delivery-status", 0, b"", codec.encode(record("ann", "read", 1), "delivery-status"))])
    publisher.close()
    reader = subprocess.Popen([sys.executable, "outcomes.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert reader.stdout is not None
        line = reader.stdout.readline()
    finally:
        reader.send_signal(signal.SIGKILL)
        reader.wait()
    assert "'user_id': 'ann'" in line
    assert "'status': 'read'" in line


def _log(folder: Path) -> str:
    file = folder / "lapse.log"
    return file.read_text() if file.exists() else ""
