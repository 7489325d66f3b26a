"""Reading a request: its body, as JSON or as a form, and its token (docs/1msg.md#address-and-token)."""

import json
import re
from collections.abc import Iterable
from hmac import compare_digest
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

from starlette.types import Receive

Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

MAX_BODY_BYTES: Final = 1_000_000

_KEYS: Final = re.compile(r"\[([^\[\]]*)\]")
_FORM: Final = b"application/x-www-form-urlencoded"
_WHOLE_NUMBERS: Final = ("messageSendTtlSeconds",)
_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")
_MAX_DEPTH: Final = 10


class UnreadableBody(Exception):
    """The body is neither a JSON object nor a form."""


async def whole_body(receive: Receive) -> bytes | None:
    """Return the request's body; None if it was cut off, or is larger than MAX_BODY_BYTES (the rest is dropped)."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks) if size <= MAX_BODY_BYTES else None


def header(headers: Headers, name: bytes) -> bytes:
    """Return the first header of that name (in lower case), or nothing."""
    return next((value for key, value in headers if key == name), b"")


def as_object(raw: bytes, headers: Headers) -> dict[str, Any]:
    """Return the body as an object. Raises UnreadableBody."""
    if header(headers, b"content-type").partition(b";")[0].strip().lower() == _FORM:
        return _form(raw)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UnreadableBody from error
    if not isinstance(value, dict):
        raise UnreadableBody
    return value


def presented_token(headers: Headers, query: bytes, body: dict[str, Any] | None) -> str:
    """Return the token: from the query, else from the body, else from the header.

    That the first two override the header is documented; which of them wins is not.
    """
    if query:
        for name, value in parse_qsl(query.decode("latin-1")):
            if name == "token":
                return value
    if body and isinstance(body.get("token"), str):
        return str(body["token"])
    scheme, _, token = header(headers, b"authorization").partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""


def is_valid(token: str, expected: bytes) -> bool:
    return compare_digest(token.encode("utf-8", "surrogatepass"), expected)


def _form(raw: bytes) -> dict[str, Any]:
    """Return a form's fields, which may be nested by brackets (`language[code]=en`) or hold JSON (`params=[…]`)."""
    root: dict[str, Any] = {}
    try:
        fields = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=200)
    except ValueError as error:
        raise UnreadableBody from error
    for name, text in fields:
        first = name.partition("[")[0]
        _put(root, [first, *_KEYS.findall(name[len(first) :])], _value(name, text))
    return {name: _lists(value) for name, value in root.items()}


def _value(name: str, text: str) -> Any:
    if name in _WHOLE_NUMBERS and _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if text[:1] in ("{", "["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _put(node: dict[str, Any], path: list[str], value: Any) -> None:
    if len(path) > _MAX_DEPTH:
        raise UnreadableBody
    for key in path[:-1]:
        inner = node.setdefault(key, {})
        if not isinstance(inner, dict):
            raise UnreadableBody
        node = inner
    node[path[-1] or str(len(node))] = value


def _lists(value: Any) -> Any:
    """Turn objects with the keys 0, 1, 2, … into arrays, which they were in brackets."""
    if not isinstance(value, dict):
        return value
    inner = {key: _lists(item) for key, item in value.items()}
    if inner and list(inner) == [str(index) for index in range(len(inner))]:
        return list(inner.values())
    return inner
