"""What 1MSG took, asked of a real sandbox over HTTP."""

import httpx
import pytest

from consumer.demo.inbox import Inbox, SandboxSilent
from consumer.sandbox.server import Sandbox, running


def send(sandbox: Sandbox, phone: str, name: str) -> str:
    words = [{"type": "text", "text": text} for text in (name, "your order")]
    body = {
        "phone": phone,
        "template": sandbox.template,
        "namespace": sandbox.namespace,
        "language": {"policy": "deterministic", "code": sandbox.language},
        "params": [{"type": "body", "parameters": words}],
    }
    url = f"{sandbox.base_url}/{sandbox.channel_id}/sendTemplate"
    answer = httpx.post(url, json=body, headers={"Authorization": f"Bearer {sandbox.token}"}).json()
    return str(answer["id"])


def test_messages_are_shown_as_their_clients_read_them_and_only_the_newest() -> None:
    with running() as sandbox:
        inbox = Inbox(sandbox.base_url)
        try:
            assert inbox.newest(3).messages == ()
            assert inbox.all().first_at is None
            ids = [send(sandbox, f"3461234561{n}", f"Lucía {n}") for n in range(5)]
            newest, everything = inbox.newest(3), inbox.all()
        finally:
            inbox.close()
    assert (newest.accepted, newest.ids) == (5, tuple(ids[2:]))
    assert newest.messages[-1].phone == "+34 ••• ••14"
    assert newest.messages[-1].text.startswith("Hello, Lucía 4! ")
    assert everything.ids == tuple(ids)
    assert everything.first_at is not None


def test_a_sandbox_that_does_not_answer_is_said_to_be_silent() -> None:
    inbox = Inbox("http://127.0.0.1:1")
    try:
        with pytest.raises(SandboxSilent, match="ConnectError"):
            inbox.newest(1)
    finally:
        inbox.close()
