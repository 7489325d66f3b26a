"""`lapse demo-activity` as docker-compose.yml starts it, in a process of its own."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from consumer.activity.record_codec import RecordCodec
from consumer.demo.people import people
from consumer.records import Contact
from tests.app.service import eventually
from tests.demo.reading import everything

SETTINGS = """
kafka: {{bootstrap_servers: "{broker}"}}
topics: {{contacts: busy-contacts}}
source: {{topic: busy}}
processes: {{checkout: {{action: your order, remind_after: [10s]}}}}
"""


@pytest.mark.slow
def test_it_writes_contacts_and_activities_until_it_is_stopped(broker: str, codec: RecordCodec, tmp_path: Path) -> None:
    config = tmp_path / "lapse.yaml"
    config.write_text(SETTINGS.format(broker=broker))
    command = [sys.executable, "-m", "consumer.cli", "demo-activity", "--config", str(config), "--people", "20"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        eventually(lambda: running.poll() is None and len(everything(broker, "busy")) > 20)
        running.send_signal(signal.SIGTERM)
        _, told = running.communicate(timeout=30)
    assert running.returncode == 0, told
    contacts = [codec.decode(Contact, message.value() or b"") for message in everything(broker, "busy-contacts")]
    assert {contact.user_id for contact in contacts} == {each.contact.user_id for each in people(20, 41, 0)}
