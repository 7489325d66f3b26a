"""A real Schema Registry: Apicurio's, run by the Java of this machine. It speaks the HTTP API of Confluent's."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx

from ..broker.broker import START_WITHIN, BrokerFailed, free_ports
from ..broker.jars import registry_jars
from ..broker.java import find_java
from ..broker.local import dismiss, guard
from .registry import Answer

_BASE = "/apis/ccompat/v7"
_SMALL = ["-Xmx160m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]


class RealRegistry:
    """One at this address, `host:port`."""

    def __init__(self, address: str) -> None:
        self._base_url = f"http://{address}{_BASE}"

    def __call__(self, method: str, path: str, body: Any) -> Answer:
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        url = self._base_url + path
        answer = httpx.request(method, url, content=content, headers=headers, timeout=30, trust_env=False)
        return answer.status_code, json.loads(answer.content or b"{}")

    def answers(self) -> bool:
        try:
            return self("GET", "/subjects", None)[0] == 200
        except (httpx.HTTPError, ValueError):
            return False


@contextmanager
def running_registry() -> Iterator[str]:
    """The address of one that runs meanwhile, with its schemas in memory.

    Raises NoBroker where this machine cannot run one, BrokerFailed where it does not start.
    """
    java, jars = find_java(), registry_jars()
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="lapse-registry-") as folder:
        log = Path(folder, "registry.log")
        listening = ["-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}"]
        runner = next(jars.glob("*-runner.jar"))
        with log.open("wb") as said:
            process = subprocess.Popen(
                [str(java), *_SMALL, *listening, "-jar", str(runner)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        watch = guard(process.pid, folder)
        try:
            address = f"127.0.0.1:{port}"
            _wait_until_up(RealRegistry(address), process, log)
            yield address
        finally:
            dismiss(watch)
            process.kill()
            process.wait()


def check_registry() -> None:
    """Raise NoBroker, which says what is missing, where this machine cannot run one; fetch it where it is missing."""
    find_java()
    registry_jars()


def _wait_until_up(registry: RealRegistry, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = monotonic() + START_WITHIN
    while not registry.answers():
        if process.poll() is not None or monotonic() > deadline:
            raise BrokerFailed(f"the registry did not start. It said:\n{log.read_text(errors='replace')[-4000:]}")
        sleep(0.05)
