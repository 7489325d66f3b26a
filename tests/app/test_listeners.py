"""Two listeners, taken ports, and strangers at the public one, as seen from outside a running service."""

import resource
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.app.service import SECRET, Platform, Sandbox, Service, eventually, http
from tests.broker.broker import free_ports

_DESCRIPTORS = 1_024


@pytest.fixture
def public(service: Service) -> str:
    """The address of a listener for the webhook alone, in the settings of a service that has not started."""
    [port] = free_ports(1)
    service.change("web", public={"port": port}, public_url=f"http://127.0.0.1:{port}")
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("setting", ["web.port", "web.public.port"])
def test_a_process_whose_port_is_taken_changes_nothing(
    service: Service, channel: Sandbox, public: str, setting: str, tmp_path: Path
) -> None:
    url = service.url if setting == "web.port" else public
    with socket.create_server(("127.0.0.1", int(url.rpartition(":")[2]))):
        ended = service.command("run", "--role", "deliver")
    assert ended.returncode == 1
    said = ended.stderr.splitlines()[-1]
    assert said.startswith(f"{setting}: cannot listen on {url.removeprefix('http://')}: Address already in use")
    assert f"LAPSE_{setting.upper().replace('.', '__')}" in said
    assert channel.webhooks() == []
    assert not (tmp_path / "lapse.db").exists()


def test_idle_strangers_stop_nothing(service: Service, platform: Platform, channel: Sandbox, public: str) -> None:
    users = {f"user-{n}": f"+34 612 {n:03d} 999" for n in range(20)}
    for n, (user, phone) in enumerate(users.items()):
        platform.knows(user, name=f"Name {n}", phone=phone)
    platform.flush()
    service.start()
    assert service.process is not None
    resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS))
    eventually(channel.webhooks, meaning="the webhook is registered")
    statuses = platform.reads("delivery_status", "delivery_status")
    with ExitStack() as stack:
        for url in (public, service.url):
            address = ("127.0.0.1", int(url.rpartition(":")[2]))
            for _ in range(_DESCRIPTORS):
                stack.enter_context(socket.create_connection(address, timeout=60))
        for user in users:
            platform.says(user, "STARTED")
        platform.flush()
        eventually(
            lambda: sum(life[-1]["status"] == "read" for life in statuses.lives().values()) == len(users),
            meaning="every message is sent, and 1MSG's reports have come through the public listener",
        )
        assert http.get(f"{service.url}/healthz").json() == {"alive": True, "dead": []}
        assert http.get(f"{service.url}/readyz").status_code == 200
        assert len(list(Path(f"/proc/{service.process.pid}/fd").iterdir())) < _DESCRIPTORS - 256
    assert http.get(f"{public}/metrics").status_code == 404
    assert http.post(f"{service.url}/webhooks/1msg/{SECRET}", content=b"{}").status_code == 404
    assert "connections_not_accepted" not in service.log
    assert service.stop() == 0
