"""What `docker compose up` would start, held against the parts it names; there may be no Docker here to start it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.commands.run import secrets
from consumer.config_file import load

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture
def environment() -> dict[str, str]:
    """Lapse's own, with the defaults that the file gives."""
    given: dict[str, str] = COMPOSE["services"]["lapse"]["environment"]
    return {name: value.rpartition(":-")[2].rstrip("}") for name, value in given.items()}


def test_the_settings_load_and_every_secret_is_there(environment: dict[str, str]) -> None:
    settings = load(ROOT / "deploy" / "lapse.compose.yaml", environment)
    assert len(secrets(settings, frozenset({"detect", "deliver"}), environment)) == 3


def test_the_settings_name_the_sandbox_that_the_file_starts(environment: dict[str, str]) -> None:
    onemsg = load(ROOT / "deploy" / "lapse.compose.yaml", environment).onemsg
    assert onemsg is not None
    with subprocess.Popen(
        [sys.executable, "-m", "consumer.cli", "sandbox", "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        told = json.loads(running.stdout.readline())
        running.terminate()
    assert told["channel_id"] == onemsg.channel_id
    assert told["token"] == environment["ONEMSG_TOKEN"]
    assert told["namespace"] == onemsg.template.namespace
    assert told["template"] == onemsg.template.name


def test_every_file_that_is_mounted_or_built_from_is_there() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).is_file()
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_nothing_is_open_to_others_than_this_machine() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_parts_find_each_other(environment: dict[str, str]) -> None:
    settings, services = load(ROOT / "deploy" / "lapse.compose.yaml", environment), COMPOSE["services"]
    sandbox = services["sandbox"]["command"]
    called_back, port = (sandbox[sandbox.index(option) + 1] for option in ("--webhook-host", "--port"))
    assert (
        f"INSIDE://{settings.kafka.bootstrap_servers},"
        in services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    )
    assert f"--topic {settings.source.topic} " in services["input"]["command"]
    assert settings.onemsg is not None
    assert settings.onemsg.base_url == f"http://sandbox:{port}"
    assert settings.web.public_url == f"http://{called_back}:{settings.web.port}"


def test_prometheus_asks_where_lapse_answers(environment: dict[str, str]) -> None:
    web = load(ROOT / "deploy" / "lapse.compose.yaml", environment).web
    [job] = yaml.safe_load((ROOT / "deploy" / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"lapse:{web.port}"]}]


def test_the_image_is_given_all_that_it_is_built_from() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    copied = [
        word for line in dockerfile if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    ignore = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied} <= set(ignore)
