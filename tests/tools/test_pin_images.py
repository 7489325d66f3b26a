"""Images by digest, with a program that answers as Docker does."""

import os
from pathlib import Path

import pytest
import yaml

from tools.pin_images import main, tags

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + "ab" * 32
DOCKER = f"""#!/bin/sh
case "$1" in
  pull) echo "$3" ;;
  image) echo "docker.io/${{5%:*}}@{DIGEST}" ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of docker-compose.yml, a Docker that knows every image, and no variables of the machine's."""
    for name in tags((ROOT / "docker-compose.yml").read_text()):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "docker-compose.yml").write_text((ROOT / "docker-compose.yml").read_text())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text(DOCKER)
    (tmp_path / "bin" / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path


def test_every_image_can_be_named_by_its_digest() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    assert all(service["image"].startswith("${") for service in services)
    bases = {service["build"]["args"]["BASE"] for service in services if "build" in service}
    default = f"{(ROOT / 'deploy' / 'Dockerfile').read_text().split('ARG BASE=')[1].split()[0]}"
    assert bases == {f"${{PYTHON_IMAGE:-{default}}}"}


def test_check_names_what_is_not_pinned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(folder, check=True) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7
    assert "not pinned by digest: postgres:17" in lines


def test_pins_are_written_beside_what_is_there_and_again_for_a_new_tag(folder: Path) -> None:
    (folder / ".env").write_text("API_TOKEN=mine\nPOSTGRES_IMAGE=postgres:16@sha256:old\n")
    for _ in range(2):
        assert main(folder, check=False) == 0
    lines = (folder / ".env").read_text().splitlines()
    assert lines[0] == "API_TOKEN=mine"
    assert lines.count(f"POSTGRES_IMAGE=postgres:17@{DIGEST}") == 1
    assert f"PYTHON_IMAGE=python:3.12-slim@{DIGEST}" in lines
    assert len(lines) == 8
    assert main(folder, check=True) == 0


def test_variable_of_the_environment_goes_before(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(folder, check=False) == 0
    monkeypatch.setenv("KAFKA_IMAGE", "apache/kafka:latest")
    assert main(folder, check=True) == 1
