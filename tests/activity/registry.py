"""Schema Registries that speak the few calls of Confluent's HTTP API that Lapse makes, at an address for each test."""

import base64
import json
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeAlias

from ..http_server import Handler, http_server

Answer: TypeAlias = tuple[int, dict[str, Any]]


Keeps: TypeAlias = Callable[[str, str, Any], Answer]
"""Answers a method, a path and a body: our small registry, or a real one."""


class SchemaRegistry:
    """A registry at an address of its own. A test may look at `requests`, and set `down` and `login`."""

    def __init__(self, keeps: Keeps) -> None:
        self.url = ""
        self.requests: list[str] = []
        self.down = False  # every answer is a 503
        self.login: str | None = None  # "user:password", or "Bearer token", that must be given
        self._keeps = keeps

    def answer(self, method: str, path: str, body: Any = None, login: str | None = None) -> Answer:
        self.requests.append(f"{method} {path}")
        if self.down:
            return 503, {"error_code": 50302, "message": "not now"}
        if self.login is not None and login != self.login:
            return 401, {"error_code": 401, "message": "who are you?"}
        return self._keeps(method, path, body)


class SmallRegistry:
    """Keeps schemas in memory. Where a subject has a compatibility, it takes every change for an incompatible one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ids: dict[str, int] = {}  # normalised schema with its references -> id
        self._schemas: dict[int, dict[str, Any]] = {}
        self._subjects: dict[str, list[int]] = {}
        self._guarded: set[str] = set()

    def __call__(self, method: str, path: str, body: Any) -> Answer:
        with self._lock:
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
        if found := re.fullmatch(r"PUT /config/([^/]+)", f"{method} {path}"):
            self._guarded.add(found[1])
            return 200, body
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def _by_id(self, schema_id: int) -> Answer:
        if schema_id not in self._schemas:
            return 404, {"error_code": 40403, "message": "Schema not found"}
        return 200, self._schemas[schema_id]

    def _register(self, subject: str, body: Any) -> Answer:
        versions = self._subjects.setdefault(subject, [])
        if subject in self._guarded and versions and self._ids.get(_normal(body)) not in versions:
            return 409, {"error_code": 409, "message": "incompatible with an earlier schema"}
        schema_id = self._ids.setdefault(_normal(body), len(self._ids) + 1)
        kept = {key: body[key] for key in ("schema", "schemaType", "references") if body.get(key)}
        self._schemas[schema_id] = kept
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
def schema_registry(keeps: Keeps, tls: ssl.SSLContext | None = None) -> Iterator[SchemaRegistry]:
    """Runs one on a free port of this machine."""
    registry = SchemaRegistry(keeps)

    class Asked(Handler):
        def do_GET(self) -> None:
            self._serve(None)

        def do_POST(self) -> None:
            self._serve(json.loads(self.body()))

        def _serve(self, body: Any) -> None:
            kind, _, given = self.headers.get("Authorization", "").partition(" ")
            login = base64.b64decode(given).decode() if kind == "Basic" else f"{kind} {given}"
            status, answer = registry.answer(self.command, self.path.partition("?")[0], body, login)
            self.answer(status, json.dumps(answer).encode(), Content_Type="application/vnd.schemaregistry.v1+json")

    with http_server(Asked, tls) as registry.url:
        yield registry


def _normal(body: Any) -> str:
    try:
        schema = json.loads(body["schema"])
    except ValueError:
        schema = body["schema"]  # protobuf
    return json.dumps([schema, body.get("references") or []], sort_keys=True)
