"""A real Prometheus beside a running service, with our rules in a faster time, and a real Alertmanager behind it."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.app.service import eventually
from tests.broker.broker import free_ports
from tests.http_server import Handler, http_server

DEPLOY = Path(__file__).parents[2] / "deploy"
SCRAPE_INTERVAL_S = 1
SHORTEST_S = 3
"""A rate needs two scrapes."""
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"\b(\d+)([smhd])\b")
_THRESHOLD_S = re.compile(r"(_seconds(?:\{[^}]*\})?\)* > )(\d+)")
"""A number of seconds that a metric is compared with."""


def faster(rule: dict[str, Any], factor: int) -> dict[str, Any]:
    """Return the rule with all its durations, and its thresholds in seconds, divided.

    A message counts as late after 30 seconds instead of 300: which a busy machine does not reach by itself.
    """

    def shorter(match: re.Match[str]) -> str:
        return f"{max(SHORTEST_S, int(match[1]) * _UNIT_S[match[2]] // factor)}s"

    expression = _DURATION.sub(shorter, rule["expr"].replace('le="300.0"', 'le="30.0"'))
    expression = _THRESHOLD_S.sub(lambda m: f"{m[1]}{int(m[2]) / factor}", expression)
    pause = {"for": _DURATION.sub(shorter, rule.get("for", "0s"))} if "alert" in rule else {}
    return rule | {"expr": expression} | pause


class Prometheus:
    """`url` is its address."""

    def __init__(self, url: str, folder: Path, process: subprocess.Popen[bytes], alertmanager: str) -> None:
        self.url = url
        self._folder = folder
        self._process = process
        self._alertmanager = alertmanager

    def scrape(self, target: str | None) -> None:
        """Scrape this target (host:port) from now on, or none."""
        _configure(self._folder, target, self._alertmanager)
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


class Receiver:
    """Keeps what Alertmanager tells each receiver of its configuration."""

    def __init__(self) -> None:
        self._told = list[tuple[str, str, dict[str, str]]]()

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Yield the address that Alertmanager has to call."""
        told = self._told

        class Call(Handler):
            def do_POST(self) -> None:
                body = json.loads(self.body())
                told.extend((body["receiver"], each["status"], each["labels"]) for each in body["alerts"])
                self.answer(200)

        with http_server(Call) as url:
            yield f"{url}/"

    def forget(self) -> None:
        self._told.clear()

    def last_told(self, receiver: str, alert: str, **labels: str) -> str | None:
        """Return the last status of this alert (firing, resolved) that has arrived."""
        wanted = {"alertname": alert, **labels}.items()
        told = [status for name, status, has in list(self._told) if name == receiver and has.items() >= wanted]
        return told[-1] if told else None


@contextmanager
def alertmanager(folder: Path) -> Iterator[tuple[str, Receiver]]:
    """Run one with deploy/alertmanager, whose receivers are webhooks here. Yields its address and the receiver."""
    receiver = Receiver()
    settings = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    settings["route"] |= {"group_wait": "1s", "group_interval": "1s"}
    address = _free_address()
    command = [
        shutil.which("alertmanager") or "prometheus-alertmanager",  # as Debian names it
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with receiver.serving() as url:
        told = {"webhook_configs": [{"url": url, "max_alerts": 0}]}
        settings["receivers"] = [each | told for each in settings["receivers"]]
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(settings))
        with _running(command, folder / "alertmanager.log", f"http://{address}/-/ready"):
            yield address, receiver


@contextmanager
def prometheus(
    folder: Path, target: str, alertmanager: str, factors: Mapping[str, int], factor: int
) -> Iterator[Prometheus]:
    """Run one that scrapes `target` (host:port), with the rules `factor` times faster.

    `factors` has those of single alerts and of groups that are others.
    """
    files = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]

    def factor_of(group: dict[str, Any], rule: dict[str, Any]) -> int:
        return factors.get(rule.get("alert", ""), factors.get(group["name"], factor))

    rules = [group | {"rules": [faster(rule, factor_of(group, rule)) for rule in group["rules"]]} for group in groups]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": rules}))
    _configure(folder, target, alertmanager)
    address = _free_address()
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with _running(command, folder / "prometheus.log", f"http://{address}/-/ready") as process:
        running = Prometheus(f"http://{address}", folder, process, alertmanager)
        eventually(lambda: running.query("up == 1"), meaning=f"it scrapes; its log is in {folder}")
        yield running


@contextmanager
def _running(command: list[str], log: Path, ready: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        eventually(lambda: _answers(ready), meaning=f"{command[0]} answers; its log is {log}")
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _configure(folder: Path, target: str | None, alertmanager: str) -> None:
    interval = f"{SCRAPE_INTERVAL_S}s"
    settings = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [{"job_name": "lapse", "static_configs": [{"targets": [target] if target else []}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))


def _free_address() -> str:
    [port] = free_ports(1)
    return f"127.0.0.1:{port}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False
