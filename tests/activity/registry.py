"""A small Schema Registry that speaks the few calls of Confluent's HTTP API that Lapse makes."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

Answer = tuple[int, dict[str, Any]]


class SchemaRegistry:
    """Keeps schemas in memory. A test may look at `requests`, and set `down`, `refuses` or `login`."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[str] = []
        self.down = False  # every answer is a 503
        self.refuses = False  # registering is a 409
        self.login: str | None = None  # "user:password" that must be given
        self._lock = Lock()
        self._ids: dict[str, int] = {}  # normalised schema with its references -> id
        self._schemas: dict[int, dict[str, Any]] = {}
        self._subjects: dict[str, list[int]] = {}

    def answer(self, method: str, path: str, login: str | None, body: Any) -> Answer:
        with self._lock:
            self.requests.append(f"{method} {path}")
            if self.down:
                return 503, {"error_code": 50302, "message": "not now"}
            if self.login is not None and login != self.login:
                return 401, {"error_code": 401, "message": "who are you?"}
            return self._routed(method, path, body)

    def _routed(self, method: str, path: str, body: Any) -> Answer:
        if found := re.fullmatch(r"GET /schemas/ids/(\d+)", f"{method} {path}"):
            return self._by_id(int(found[1]))
        if found := re.fullmatch(r"POST /subjects/([^/]+)/versions", f"{method} {path}"):
            return self._register(found[1], body)
        if found := re.fullmatch(r"POST /subjects/([^/]+)", f"{method} {path}"):
            return self._lookup(found[1], body)
        if found := re.fullmatch(r"GET /subjects/([^/]+)/versions/(\d+)", f"{method} {path}"):
            return self._version(found[1], int(found[2]))
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _by_id(self, schema_id: int) -> Answer:
        if schema_id not in self._schemas:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        return 200, self._schemas[schema_id]

    def _register(self, subject: str, body: Any) -> Answer:
        if self.refuses:
            return 409, {"error_code": 409, "message": "incompatible with an earlier schema"}
        schema_id = self._ids.setdefault(_normal(body), len(self._ids) + 1)
        kept = {key: body[key] for key in ("schema", "schemaType", "references") if body.get(key)}
        self._schemas[schema_id] = kept
        versions = self._subjects.setdefault(subject, [])
        if schema_id not in versions:
            versions.append(schema_id)
        return 200, {"id": schema_id}

    def _lookup(self, subject: str, body: Any) -> Answer:
        schema_id = self._ids.get(_normal(body))
        versions = self._subjects.get(subject, [])
        if schema_id not in versions:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        return self._version(subject, versions.index(schema_id) + 1)

    def _version(self, subject: str, version: int) -> Answer:
        versions = self._subjects.get(subject, [])
        if not 1 <= version <= len(versions):
            return 404, {"error_code": 40402, "message": "Version not found"}
        schema_id = versions[version - 1]
        return 200, {"subject": subject, "version": version, "id": schema_id, **self._schemas[schema_id]}


@contextmanager
def schema_registry() -> Iterator[SchemaRegistry]:
    """Runs one on a free port of this machine."""
    registry = SchemaRegistry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve(None)

        def do_POST(self) -> None:
            self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _serve(self, body: Any) -> None:
            given = self.headers.get("Authorization", "").removeprefix("Basic ")
            path = self.path.partition("?")[0]
            status, answer = registry.answer(self.command, path, base64.b64decode(given).decode(), body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests look at `requests`; standard error stays quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    registry.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _normal(body: Any) -> str:
    try:
        schema = json.loads(body["schema"])
    except ValueError:
        schema = body["schema"]  # protobuf
    return json.dumps([schema, body.get("references") or []], sort_keys=True)
