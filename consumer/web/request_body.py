"""Reads the body of a request, and never holds more of it than a form or a question can need."""

from starlette.exceptions import HTTPException
from starlette.requests import Request

_MAX_BODY_BYTES = 64_000


async def read_body(request: Request, too_long: str) -> bytes:
    """Return the whole body. Raises HTTPException 413 with the words `too_long`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise HTTPException(413, too_long)
    return bytes(body)
