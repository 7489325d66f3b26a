"""A real Prometheus beside a running service, with our rules in a faster time."""

import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.app.service import eventually

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules"
SCRAPE_INTERVAL_S = 1
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"\b(\d+)([smhd])\b")
_THRESHOLD_S = re.compile(r"(_seconds(?:\{[^}]*\})?\)* > )(\d+)")
"""A number of seconds that a metric is compared with."""


def faster(rule: dict[str, Any], factor: int) -> dict[str, Any]:
    """Return the rule with all its durations, and its thresholds in seconds, divided."""

    def shorter(match: re.Match[str]) -> str:
        return f"{max(1, int(match[1]) * _UNIT_S[match[2]] // factor)}s"

    changed = dict(rule)
    if "record" not in rule:  # names of recorded series have durations, too
        expression = _DURATION.sub(shorter, rule["expr"])
        changed["expr"] = _THRESHOLD_S.sub(lambda m: f"{m[1]}{int(m[2]) / factor}", expression)
        changed["for"] = _DURATION.sub(shorter, rule.get("for", "0s"))
    return changed


class Prometheus:
    """`url` is its address."""

    def __init__(self, url: str, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self._folder = folder
        self._process = process

    def scrape(self, target: str | None) -> None:
        """Scrape this target (host:port) from now on, or none."""
        _configure(self._folder, target)
        self._process.send_signal(signal.SIGHUP)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the present vector. Raises for an expression that is none."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"]["result"])

    def states(self, alert: str, **labels: str) -> set[str]:
        """Return whether it is pending, firing, or both for different labels; nothing while it is not active."""
        found = httpx.get(f"{self.url}/api/v1/alerts", timeout=30).json()["data"]["alerts"]
        wanted = {"alertname": alert, **labels}.items()
        return {each["state"] for each in found if each["labels"].items() >= wanted}


@contextmanager
def prometheus(folder: Path, target: str, *, factor: int) -> Iterator[Prometheus]:
    """Run one that scrapes `target` (host:port), with the alerts `factor` times faster."""
    groups = [group for file in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(file.read_text())["groups"]]
    rules = {"groups": [group | {"rules": [faster(rule, factor) for rule in group["rules"]]} for group in groups]}
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    _configure(folder, target)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        running = Prometheus(f"http://{address}", folder, process)
        eventually(lambda: _is_up(running), meaning=f"Prometheus answers; its log is in {folder}")
        yield running
    finally:
        process.terminate()
        process.wait(30)


def _configure(folder: Path, target: str | None) -> None:
    interval = f"{SCRAPE_INTERVAL_S}s"
    settings = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "lapse", "static_configs": [{"targets": [target] if target else []}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))


def _is_up(running: Prometheus) -> bool:
    try:
        return httpx.get(f"{running.url}/-/ready").is_success and bool(running.query("up == 1"))
    except httpx.TransportError:
        return False
