"""The description of the API (OpenAPI 3.1), limited to the pages that this process has."""

from collections.abc import Collection
from typing import Any

_NAMES = {"type": "string"}
_NUMBER = {"type": "integer"}
_MOMENT = {"type": "integer", "description": "milliseconds since the epoch, UTC"}
_MAYBE = {"type": ["string", "null"]}
_MAYBE_MOMENT = {"type": ["integer", "null"], "description": "milliseconds since the epoch, UTC"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


_OVERVIEW = _object(
    at=_MOMENT,
    parts={"type": "object", "additionalProperties": _object(ok={"type": "boolean"}, detail=_MAYBE)},
    reminders=_list(_object(medium=_NAMES, status=_NAMES, reason=_MAYBE, count=_NUMBER)),
    doubts={**_NUMBER, "description": "attempts with an unknown outcome"},
    in_doubt=_list(
        _object(
            reminder_id=_NAMES,
            medium=_NAMES,
            user_id=_NAMES,
            process=_NAMES,
            step=_NUMBER,
            status={"type": "string", "enum": ["unknown", "unresolved"]},
            attempts=_NUMBER,
            attempted_at=_MAYBE_MOMENT,
            template=_MAYBE,
            language=_MAYBE,
        )
    ),
    stopped=_list(
        _object(
            name=_NAMES,
            stopped_because=_NAMES,
            stopped_at=_MAYBE_MOMENT,
            probe_at=_MAYBE_MOMENT,
            stops=_NUMBER,
            unclear_attempts=_NUMBER,
            error=_MAYBE,
            opened_by_report={"type": "boolean"},
            accepted_probe_at=_MAYBE_MOMENT,
        )
    ),
)
_BRAKE = _object(
    engaged=_MAYBE, released={"type": "boolean"}, held=_NUMBER, distrusted=_list(_NUMBER), words=_NAMES
) | {"additionalProperties": True, "required": ["words"]}

_PATHS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "/api/overview": ("get", "Counts of reminders, outcomes in doubt, stopped channels", _OVERVIEW),
    "/api/openapi.json": ("get", "This description", {"type": "object"}),
    "/api/brake": ("get", "Whether detect's brake holds lapses back, and why", _BRAKE),
    "/api/brake/release": ("post", "Release what the brake holds back", _BRAKE),
}


def document(paths: Collection[str]) -> dict[str, Any]:
    """Return the description of those paths that belong to the API."""
    known = {path: _PATHS[path] for path in paths if path in _PATHS}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lapse", "version": "1", "description": "An operator's view. No names, no phone numbers."},
        "security": [{"token": []}, {}],
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "web.api_token; needed whenever one is set, or web.host is not loopback",
                }
            }
        },
        "paths": {path: {verb: _operation(summary, shape)} for path, (verb, summary, shape) in known.items()},
    }


def _operation(summary: str, shape: dict[str, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": _object(error=_NAMES)}}
    return {
        "summary": summary,
        "responses": {
            "200": {"description": "Done", "content": {"application/json": {"schema": shape}}},
            "401": {"description": "The token is missing or wrong", "content": error},
            "403": {"description": "Closed: no token is set", "content": error},
        },
    }
