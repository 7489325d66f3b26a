"""Who may use the console and the API."""

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
            self._check(request)
            return await handler(request)

        return guarded

    def _check(self, request: Request) -> None:
        """Raise HTTPException 401 or 403 if the request is not allowed."""
        if self._token is None:
            if not self._open:
                raise HTTPException(403, "closed: set web.api_token, because web.host is not a loopback address")
            if "origin" in request.headers or not is_loopback(request.url.hostname or ""):
                raise HTTPException(403, "closed to calls from web pages: set web.api_token and send it")
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # Headers are decoded as Latin-1, so that every value can be encoded again.
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode("latin-1"), self._token):
            raise HTTPException(
                401, "send the header Authorization: Bearer <web.api_token>", {"WWW-Authenticate": "Bearer"}
            )


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to that host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
