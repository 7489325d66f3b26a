"""Who may use the console and the API, and see the details of health and the metrics."""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from consumer.clock import SystemClock
from consumer.web.wrong_secrets import WrongSecrets

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class ApiGuard:
    """Asks for `Authorization: Bearer <web.api_token>`. Without a token only this machine may ask, if it listens there
    alone, and no web page that a browser of this machine happens to show."""

    def __init__(
        self, token: str | None, *, open_to_this_machine: bool, wrong_secrets: WrongSecrets | None = None
    ) -> None:
        self._token = token.encode() if token else None
        self._open = open_to_this_machine
        self._wrong_secrets = wrong_secrets or WrongSecrets(SystemClock())

    def __call__(self, handler: Handler) -> Handler:
        """Return the handler for those who may use the API; others get 401 or 403."""

        async def guarded(request: Request) -> Response:
            await self._check(request, needs_token=self._token is not None)
            return await handler(request)

        return guarded

    def for_scrapers(self, handler: Handler) -> Handler:
        """Return the handler for those who may see metrics: with the token, or from this machine without one."""

        async def guarded(request: Request) -> Response:
            await self._check(request, needs_token=self._token is not None and not self._is_from_here(request))
            return await handler(request)

        return guarded

    async def shows_details(self, request: Request) -> bool:
        """Return whether the details of health may be shown to this request. Raises HTTPException 429."""
        return self._is_from_here(request) or await self._has_token(request)

    async def _check(self, request: Request, *, needs_token: bool) -> None:
        """Raise HTTPException 401, 403 or 429 if the request is not allowed."""
        if not needs_token:
            if not self._open:
                raise HTTPException(403, "closed: set web.api_token, because web.host is not a loopback address")
            if not self._is_from_here(request):
                raise HTTPException(403, "closed to calls from web pages: set web.api_token and send it")
        elif not await self._has_token(request):
            raise HTTPException(
                401, "send the header Authorization: Bearer <web.api_token>", {"WWW-Authenticate": "Bearer"}
            )

    def _is_from_here(self, request: Request) -> bool:
        """Return whether only this machine can have sent it, and no web page: those name their origin, or, after DNS
        rebinding, a host of theirs."""
        return self._open and "origin" not in request.headers and is_loopback(request.url.hostname or "")

    async def _has_token(self, request: Request) -> bool:
        """Return whether it has the token; after a delay if it has a wrong one."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # Headers are decoded as Latin-1, so that every value can be encoded again.
        is_right = hmac.compare_digest(given.strip().encode("latin-1"), self._token or b"")
        if is_right and self._token is not None and scheme.lower() == "bearer":
            return True
        if given:
            await self._wrong_secrets.delay()
        return False


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to that host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
