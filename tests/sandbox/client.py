"""A plain client of a sandbox, over real HTTP."""

from typing import Any

import httpx

from consumer.sandbox.server import Sandbox

MARIA = "15551230000"


def variables(*values: str) -> list[dict[str, Any]]:
    """`params` for a body with these values."""
    return [{"type": "body", "parameters": [{"type": "text", "text": value} for value in values]}]


class Client:
    """Bearer, JSON, and the request that works unless told otherwise."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(
            base_url=f"{sandbox.base_url}/{sandbox.channel_id}/",
            headers={"Authorization": f"Bearer {sandbox.token}"},
            timeout=10,
        )

    def body(self, **changes: Any) -> dict[str, Any]:
        """A sendTemplate body; a change to None leaves the field out."""
        body = {
            "phone": MARIA if "chatId" not in changes else None,
            "template": self.sandbox.template,
            "namespace": self.sandbox.namespace,
            "language": {"policy": "deterministic", "code": self.sandbox.language},
            "params": variables("Maria", "account setup"),
        } | changes
        return {name: value for name, value in body.items() if value is not None}

    def send(self, **changes: Any) -> httpx.Response:
        return self.http.post("sendTemplate", json=self.body(**changes))

    def send_ok(self, **changes: Any) -> str:
        """The id of the accepted message."""
        answer = self.send(**changes)
        assert answer.json()["sent"] is True, answer.text
        return str(answer.json()["id"])

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.http.post(path, json=body)

    def register(self, *urls: str, **settings: Any) -> None:
        """As a client would: write the list, switch statuses on."""
        assert self.post("webhook", {"webhookUrl": list(urls)}).status_code == 200
        assert self.post("settings", {"ackNotificationsOn": True} | settings).status_code == 200
