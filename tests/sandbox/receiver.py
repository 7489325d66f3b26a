"""A webhook of a client: a real HTTP server that keeps what it is told, and answers as it was told to."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any


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

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status = receiver.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            if status in (301, 307):
                self.send_header("Location", receiver.url + "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Tests are quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
