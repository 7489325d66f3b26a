"""Who may use the API."""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class ApiGuard:
    """Asks for `Authorization: Bearer <web.api_token>`. Without a token only this machine may ask, if it listens there
    alone, and no web page that a browser of this machine happens to show."""

    def __init__(self, token: str | None, *, open_to_this_machine: bool) -> None:
        self._token = token.encode() if token else None
        self._open = open_to_this_machine

    def __call__(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            self._look_at(request)
            return await handler(request)

        return guarded

    def _look_at(self, request: Request) -> None:
        """Raises HTTPException."""
        if self._token is None:
            if not self._open:
                raise HTTPException(403, "closed: set web.api_token, since web.host is not loopback")
            if "origin" in request.headers or not is_loopback(request.url.hostname or ""):
                raise HTTPException(403, "closed to web pages: set web.api_token and send it")
            return
        scheme, _, told = request.headers.get("authorization", "").partition(" ")
        # (Headers are Latin-1: whatever was sent can be encoded back.)
        if scheme.lower() != "bearer" or not hmac.compare_digest(told.strip().encode("latin-1"), self._token):
            raise HTTPException(
                401, "send the header Authorization: Bearer <web.api_token>", {"WWW-Authenticate": "Bearer"}
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
