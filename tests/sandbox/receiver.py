"""A webhook of a client: a real HTTP server that keeps what it is told, and answers as it was told to."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Any

from tests.http_server import Handler, http_server


class Receiver:
    """`bodies` come in the order of their arrival. `answers` are used up one by one, then it is 200 for ever."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self._changed = Condition()

    def take(self, raw: bytes) -> int:
        with self._changed:
            self.bodies.append(json.loads(raw))
            self._changed.notify_all()
            return self.answers.pop(0) if self.answers else 200

    def wait(self, until: Callable[[], bool], seconds: float = 10.0) -> None:
        """Until something that `take` can change is so; fails with what has come if it never is."""
        with self._changed:
            assert self._changed.wait_for(until, seconds), f"came in vain: {self.bodies}"

    def acks(self, message_id: str | None = None) -> list[dict[str, Any]]:
        found = [ack for body in self.bodies for ack in body.get("ack", [])]
        return [ack for ack in found if message_id in (None, ack["id"])]

    def statuses(self, message_id: str | None = None) -> list[str]:
        return [ack["status"] for ack in self.acks(message_id)]

    def messages(self) -> list[dict[str, Any]]:
        return [message for body in self.bodies for message in body.get("messages", [])]

    def raw_statuses(self) -> list[dict[str, Any]]:
        values = [body["entry"][0]["changes"][0]["value"] for body in self.bodies if "entry" in body]
        return [status for value in values for status in value.get("statuses", [])]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Call(Handler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status = receiver.take(self.body())
            self.answer(status, **({"Location": receiver.url + "/elsewhere"} if status in (301, 307) else {}))

    with http_server(Call) as url:
        receiver.url = f"{url}/hook"
        yield receiver
