"""Reads the body of a request: no more of it than the caller can need, and no longer than a sender can need."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

_MAX_FORM_BYTES = 64_000
"""For a form, or a question to the API."""
_BODY_TIMEOUT_S = 15.0
"""How long a body may take to arrive."""


async def read_body(request: Request, too_long: str, most: int = _MAX_FORM_BYTES) -> bytes:
    """Return the whole body, of at most `most` bytes.

    Raises HTTPException 413 with the words `too_long`, and 408 if the sender is too slow or hangs up.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise HTTPException(413, too_long)
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise HTTPException(413, too_long)
    except (TimeoutError, ClientDisconnect):
        raise HTTPException(408, "the body did not arrive in time") from None
    return bytes(body)
