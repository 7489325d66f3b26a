"""The service with e-mail and webhook fallbacks: real mail, a real endpoint, and a pause."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.service import Platform, Sandbox, Service, eventually, http
from tests.http_server import Handler, http_server
from tests.mail_server import MailServer


class Mailbox:
    def __init__(self) -> None:
        self.taken: list[Any] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address.startswith("gone"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.taken.append(envelope)
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    controller = MailServer(box, hostname="127.0.0.1", port=0)
    controller.start()
    yield box, controller.port
    controller.stop()


@pytest.fixture
def endpoint() -> Iterator[tuple[list[Any], str]]:
    told: list[Any] = []

    class Call(Handler):
        def do_POST(self) -> None:
            told.append(json.loads(self.body()))
            self.answer(204)

    with http_server(Call) as url:
        yield told, f"{url}/lapse"


@pytest.fixture
def configured(
    service: Service, mailbox: tuple[Mailbox, int], endpoint: tuple[list[Any], str], tmp_path: Path
) -> Service:
    text = "Hello {name}, you have not yet completed {action}."
    email = {"host": "127.0.0.1", "port": mailbox[1], "tls": "none", "from": "shop@example.com", "subject": "{action}"}
    webhook = {"url": endpoint[1], "secret": {"file": str(tmp_path / "secret")}, "text": text}
    (tmp_path / "secret").write_text("only-the-two-of-us")
    service.settings["fallback"] = {"email": {**email, "text": text}, "webhook": webhook}
    (tmp_path / "lapse.yaml").write_text(yaml.safe_dump(service.settings))
    return service


def test_email_webhook_and_pause_end_to_end(
    configured: Service,
    platform: Platform,
    channel: Sandbox,
    mailbox: tuple[Mailbox, int],
    endpoint: tuple[list[Any], str],
) -> None:
    platform.knows("maria", name="Maria", email="maria@example.com")
    platform.knows("gone", name="Gone", email="gone@example.com")
    platform.flush()
    configured.start()
    assert configured.command("pause").returncode == 0

    def part(name: str) -> Any:
        return http.get(f"{configured.url}/readyz").json()["parts"][name]

    eventually(lambda: part("sender_email")["detail"] == "paused: everything", meaning="the pause is seen")
    assert http.get(f"{configured.url}/readyz").status_code == 200  # a paused service stays ready
    assert configured.metric('lapse_paused{process="*"}') == 1
    for user in ("maria", "gone"):
        platform.says(user, "STARTED")
    platform.flush()
    statuses = platform.reads("delivery_status", "delivery_status")

    def published(*wanted: str) -> bool:
        seen = {
            " ".join(filter(None, (s["user_id"], s["medium"], s["status"], s["reason"]))) for s in statuses.so_far()
        }
        return set(wanted) <= seen

    eventually(lambda: published("maria email deferred paused", "gone email deferred paused"), meaning="both wait")
    assert mailbox[0].taken == endpoint[0] == []
    resumed = configured.command("resume")
    assert resumed.stdout == "everything is resumed; reminders that waited for it: 2\n", resumed.stderr
    eventually(
        lambda: published("maria email accepted", "gone email failed unreachable", "gone webhook accepted"),
        meaning="one has an e-mail, and the company was told of the other",
    )
    assert [envelope.rcpt_tos for envelope in mailbox[0].taken] == [["maria@example.com"]]
    assert b"Hello Maria, you have not yet completed account setup." in mailbox[0].taken[0].content
    assert [call["user_id"] for call in endpoint[0]] == ["gone"]
    assert channel.messages() == []
    assert "maria@example.com" not in configured.log
    assert "only-the-two-of-us" not in configured.log
    assert configured.stop() == 0
