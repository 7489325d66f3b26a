"""Detect and deliver in two processes: deliver's console shows both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.service import Platform, Sandbox, Service, eventually, http, settings
from tests.broker.broker import free_ports


@pytest.fixture
def detect(kafka: str, names: str, channel: Sandbox, tmp_path: Path) -> Iterator[Service]:
    """Another machine's process: it has a folder and a port of its own, and no ledger."""
    folder = tmp_path / "detect"
    folder.mkdir()
    [port] = free_ports(1)
    made = Service(folder, settings(kafka, channel, folder, names, port), channel.info["token"])
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_delivers_console_shows_what_detect_watches_and_holds_back(
    service: Service, detect: Service, platform: Platform
) -> None:
    def now() -> dict[str, Any]:
        return dict(http.get(f"{service.url}/api/now").raise_for_status().json())

    service.start("--role", "deliver")
    assert (now()["watched"], now()["brake"]) == (None, None)
    detect.start("--role", "detect")
    for user in ("ann", "ben", "cleo"):
        platform.says(user, "STARTED")
    platform.flush()
    eventually(lambda: now()["watched"] == 3, meaning="everybody is seen from deliver")
    assert now()["brake"] == {"held": 0, "words": [], "can_release": False}
    for _ in range(120):
        platform.write_bytes("activity", b"maria", b"these bytes mean nothing")
    platform.flush()
    eventually(lambda: now()["brake"]["words"], meaning="deliver says what detect does not trust")
    assert "stands still: too many records cannot be read" in now()["brake"]["words"][0]
    assert "Detect runs in another process" in http.get(f"{service.url}/needs").text
    lying = http.get(f"{service.url}/api/needs").json()["dead_letters"]
    assert lying["at_most"] >= 120, "detect set them aside, and deliver tells it"
    assert lying["newest_at"] is not None
    http.post(f"{detect.url}/api/brake/release").raise_for_status()
    eventually(lambda: now()["brake"]["words"] == [], meaning="the release is seen")
