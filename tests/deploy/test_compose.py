"""What `docker compose up` would start, held against the parts it names; there may be no Docker here to start it."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from packaging.utils import canonicalize_name
from sqlalchemy import make_url

from consumer.commands.run import required_secrets
from consumer.config.loader import load
from tools.check_licences import installed

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())

REPLICAS = {f"{role}-{number}": role for role in ("detect", "deliver") for number in (1, 2)}


def test_there_are_two_replicas_of_each_role_and_each_has_a_name_of_its_own() -> None:
    services = COMPOSE["services"]
    assert {name for name, service in services.items() if "run" in service.get("command", ())} == set(REPLICAS)
    for name, role in REPLICAS.items():
        given = {key: value.rpartition(":-")[2].rstrip("}") for key, value in services[name]["environment"].items()}
        settings = load(ROOT / "deploy" / "lapse.compose.yaml", given)
        assert services[name]["command"][-2:] == ["--role", role]
        assert settings.kafka.instance == name


def test_there_are_partitions_for_every_replica() -> None:
    command = COMPOSE["services"]["input"]["command"].split()
    assert int(command[command.index("--partitions") + 1]) >= len(REPLICAS)


def test_the_ledger_is_the_database_that_the_file_starts(environment: dict[str, str]) -> None:
    ledger = make_url(load(ROOT / "deploy" / "lapse.compose.yaml", environment).ledger.url)
    given = COMPOSE["services"][ledger.host or ""]["environment"]
    assert (ledger.username, ledger.database) == (given["POSTGRES_USER"], given["POSTGRES_DB"])
    assert given["POSTGRES_PASSWORD"].rpartition(":-")[2].rstrip("}") == environment["PGPASSWORD"]


def test_1msg_calls_back_a_name_that_both_deliverers_answer_to(environment: dict[str, str]) -> None:
    public = load(ROOT / "deploy" / "lapse.compose.yaml", environment).web.public_url
    for name, role in REPLICAS.items():
        aliases = COMPOSE["services"][name].get("networks", {}).get("default", {}).get("aliases", [])
        assert (urlsplit(public or "").hostname in aliases) == (role == "deliver")


@pytest.fixture
def environment() -> dict[str, str]:
    """Lapse's own, with the defaults that the file gives."""
    given: dict[str, str] = COMPOSE["services"]["deliver-1"]["environment"]
    return {name: value.rpartition(":-")[2].rstrip("}") for name, value in given.items()}


def test_the_settings_load_and_every_secret_is_there(environment: dict[str, str]) -> None:
    settings = load(ROOT / "deploy" / "lapse.compose.yaml", environment)
    assert len(required_secrets(settings, frozenset({"detect", "deliver"}), environment)) == 3


@pytest.mark.slow
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
            assert source in COMPOSE["volumes"] or (ROOT / source).exists()
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
    assert settings.schema_registry is not None
    assert settings.schema_registry.url == ("http://registry:8080/apis/ccompat/v7",)
    assert ":8080/" in services["registry"]["healthcheck"]["test"][-1]
    assert settings.onemsg is not None
    assert settings.onemsg.base_url == f"http://sandbox:{port}"
    assert f":{port}/" in services["sandbox"]["healthcheck"]["test"][-1]
    assert settings.web.public is not None
    assert settings.web.public_url == f"http://{called_back}:{settings.web.public.port}"


def test_prometheus_asks_where_lapse_answers(environment: dict[str, str]) -> None:
    web = load(ROOT / "deploy" / "lapse.compose.yaml", environment).web
    prometheus = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    [job] = prometheus["scrape_configs"]
    assert job["authorization"] == {"credentials_file": COMPOSE["services"]["prometheus"]["configs"][0]["target"]}
    assert COMPOSE["configs"]["api-token"]["content"] == COMPOSE["services"]["deliver-1"]["environment"]["API_TOKEN"]
    assert job["static_configs"] == [{"targets": [f"{name}:{web.port}" for name in sorted(REPLICAS)]}]
    [alertmanagers] = prometheus["alerting"]["alertmanagers"]
    [address] = alertmanagers["static_configs"][0]["targets"]
    assert COMPOSE["services"]["alertmanager"]["ports"] == [f"127.0.0.1:{address.split(':')[1]}:9093"]


def test_our_containers_have_nothing_to_write_to_and_no_rights() -> None:
    ours = {name for name, service in COMPOSE["services"].items() if "build" in service}
    assert ours == {*REPLICAS, "sandbox", "activity"}
    [volume] = re.findall(r"^VOLUME (\S+)$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    for name in ours:
        service = COMPOSE["services"][name]
        assert service["read_only"], name
        assert {place.split(":")[0] for place in service["tmpfs"]} == {"/tmp", volume}, name
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"]), name


def test_whatever_is_killed_is_started_again() -> None:
    assert {name for name, service in COMPOSE["services"].items() if service.get("restart") is None} == {"input"}


def test_grafana_is_given_the_dashboards_and_prometheus() -> None:
    grafana, provisioning = COMPOSE["services"]["grafana"], ROOT / "deploy" / "grafana" / "provisioning"
    [provider] = yaml.safe_load((provisioning / "dashboards" / "lapse.yml").read_text())["providers"]
    assert f"./deploy/grafana:{provider['options']['path']}:ro" in grafana["volumes"]
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    assert urlsplit(source["url"]).hostname in grafana["depends_on"]


def test_every_image_but_grafanas_can_be_had_where_nothing_can_be_pulled() -> None:
    stages = re.findall(r"^FROM \S+ AS (\w+)$", (ROOT / "deploy" / "local" / "Dockerfile").read_text(), re.MULTILINE)
    images = {
        service["image"] for service in COMPOSE["services"].values() if not {"build", "profiles"} & service.keys()
    }
    assert sorted(stages) == sorted(["base", "python", *{next(s for s in stages if s in image) for image in images}])


def test_the_image_has_all_that_lapse_needs_in_the_pinned_versions() -> None:
    lines = (ROOT / "deploy" / "requirements.txt").read_text().splitlines()
    pinned = {line.removesuffix(" \\") for line in lines if "==" in line}
    constraints = (ROOT / "constraints.txt").read_text().splitlines()
    versions = dict(line.split("==") for line in constraints if "==" in line)
    needed = installed(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    wanted = {f"{canonicalize_name(name)}=={versions[name]}" for name in versions if canonicalize_name(name) in needed}
    assert wanted <= pinned, "deploy/requirements.txt is out of date: make hashes"
    others = [line for line in lines if "==" not in line and not line.startswith(("#", "    --hash=sha256:"))]
    assert others == []  # no index, and no place of the machine that made it


def test_the_image_is_given_all_that_it_is_built_from() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    copied = [
        word for line in dockerfile if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    ignore = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied} <= set(ignore)
