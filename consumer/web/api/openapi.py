"""The description of the API (OpenAPI 3.1), derived from its operations."""

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from consumer.web.api.operation import Nothing, Operation

_SCHEMAS = "#/components/schemas/{model}"
_GUARD_ERRORS = {
    401: "The token is missing or wrong",
    403: "Closed: no token is set",
    429: "Too many wrong tokens wait for their refusal",
    503: "The ledger does not answer",
}
_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}


def document(operations: Iterable[Operation], *, needs_token: bool) -> dict[str, Any]:
    """Return the description; `needs_token`: each call must have the token."""
    schemas: dict[str, Any] = {"Error": _ERROR}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation, schemas)
    scheme = {
        "type": "http",
        "scheme": "bearer",
        "description": "web.api_token; needed whenever one is set, or web.host is not loopback",
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lapse",
            "version": "1",
            "description": "What the console shows and does. Times are milliseconds since 1970, UTC. No names and no"
            " phone numbers, except in the answer of a reveal, which is journalled.",
        },
        "security": [{"token": []}] if needs_token else [],
        "components": {"securitySchemes": {"token": scheme}, "schemas": schemas},
        "paths": paths,
    }


def _describe(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"summary": operation.summary, "operationId": _name(operation)}
    errors = {**_GUARD_ERRORS, **operation.errors}
    if operation.method == "GET":
        errors[400] = "A parameter is unknown, or has a value that it cannot have"
        described["parameters"] = _parameters(operation)
    elif operation.question is not Nothing:
        errors |= {400: "The body is not as described", 408: "The body did not arrive in time"}
        errors |= {413: "The body is too long", 415: "The body is not JSON"}
        body = {"application/json": {"schema": _schema(operation.question, schemas, "validation")}}
        described["requestBody"] = {"required": True, "content": body}
    answer = {"application/json": {"schema": _schema(operation.answer, schemas, "serialization")}}
    error = {"application/json": {"schema": {"$ref": _SCHEMAS.format(model="Error")}}}
    described["responses"] = {"200": {"description": "Done", "content": answer}} | {
        str(status): {"description": words, "content": error} for status, words in sorted(errors.items())
    }
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    shape = operation.question.model_json_schema()
    required = shape.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _without_null(schema)}
        for name, schema in shape.get("properties", {}).items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter, which is absent instead of null."""
    choices = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    rest = {name: value for name, value in schema.items() if name not in {"anyOf", "title", "default"}}
    return {**rest, **choices[0]} if len(choices) == 1 else schema


def _schema(of: Any, schemas: dict[str, Any], mode: Any) -> dict[str, Any]:
    """Return the JSON schema of a class; what it refers to goes into `schemas`."""
    found = TypeAdapter(of).json_schema(mode=mode, ref_template=_SCHEMAS)
    schemas.update(found.pop("$defs", {}))
    return found


def _name(operation: Operation) -> str:
    return operation.method.lower() + operation.path.replace("/", "_").replace(".", "_").replace("-", "_")
