"""Bodies that are too long, that do not come, and whose sender hangs up."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from consumer.web import request_body
from consumer.web.request_body import read_body


def _read(messages: Iterable[Message], headers: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """Read a body that arrives in these messages, after which nothing comes."""
    coming = iter(messages)

    async def receive() -> Message:
        for message in coming:
            return message
        return await asyncio.Future()

    return asyncio.run(read_body(Request({"type": "http", "headers": list(headers)}, receive), "too long", 10))


def _part(body: bytes, more_body: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more_body}


def test_a_body_is_read_up_to_its_limit() -> None:
    assert _read([_part(b"12345"), _part(b"67890", more_body=False)]) == b"1234567890"


@pytest.mark.parametrize(
    ("messages", "headers", "status"),
    [
        ([], [(b"content-length", b"11")], 413),
        ([_part(b"12345"), _part(b"678901")], [], 413),
        ([_part(b"1"), {"type": "http.disconnect"}], [], 408),
        ([_part(b"1")], [], 408),
    ],
    ids=["declared too long", "too long", "hung up", "does not come"],
)
def test_no_other_body_is_waited_for(
    messages: list[Message], headers: list[tuple[bytes, bytes]], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_body, "_BODY_TIMEOUT_S", 0.05)
    with pytest.raises(HTTPException) as refused:
        _read(messages, headers)
    assert refused.value.status_code == status
