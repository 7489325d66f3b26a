"""The operators' page, and the same as JSON: counts of reminders, outcomes in doubt, what is stopped.

Nothing here shows a name or a phone number. The page needs no script. In a browser the API's token is entered as the
password.
"""

import asyncio
import base64
import binascii

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from consumer.clock import SECOND, Clock, Millis
from consumer.ledger import queries
from consumer.ledger.store import Ledger
from consumer.web.api import openapi
from consumer.web.auth import ApiGuard, Handler
from consumer.web.console.html import render_page
from consumer.web.console.overview import Overview, to_json
from consumer.web.health import Health

_MAX_IN_DOUBT = 200
_MIN_REUSE_MS, _MAX_REUSE_MS = SECOND // 2, 5 * SECOND
_REUSE_FACTOR = 50

_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class Console:
    """The console. `ledger` is None where only detect runs: then only the parts' health is shown."""

    def __init__(self, health: Health, ledger: Ledger | None, clock: Clock) -> None:
        self._health = health
        self._ledger = ledger
        self._clock = clock
        self._cached: Overview | None = None
        self._reuse_ms: Millis = 0
        self._lock = asyncio.Lock()

    def routes(self, guard: ApiGuard) -> list[Route]:
        """Return `GET /`, `/api/overview` and `/api/openapi.json`, protected by `guard`."""
        return [
            Route("/", for_browsers(guard(self._page))),
            Route("/api/overview", guard(self._overview)),
            Route("/api/openapi.json", guard(self._openapi)),
        ]

    async def _page(self, request: Request) -> Response:
        return Response(render_page(await self.current()), headers=_HEADERS, media_type="text/html")

    async def _overview(self, request: Request) -> Response:
        return JSONResponse(to_json(await self.current()), headers={"cache-control": "no-store"})

    async def _openapi(self, request: Request) -> Response:
        return JSONResponse(openapi.document([route.path for route in request.app.routes if isinstance(route, Route)]))

    async def current(self) -> Overview:
        """Return the overview, at most a few seconds old."""
        async with self._lock:
            now = self._clock.now()
            if self._cached is None or not 0 <= now - self._cached.at < self._reuse_ms:
                started = self._clock.monotonic()
                self._cached = await asyncio.to_thread(self._read, now)
                self._reuse_ms = reuse_time(self._clock.monotonic() - started)
            return self._cached

    def _read(self, now: Millis) -> Overview:
        parts = self._health.states()
        if self._ledger is None:
            return Overview(at=now, parts=parts)
        with self._ledger.reading() as connection:
            reminders = tuple(queries.reporting.console.status_counts(connection))
            return Overview(
                at=now,
                parts=parts,
                reminders=reminders,
                doubts=sum(each.count for each in reminders if each.status in ("unknown", "unresolved")),
                in_doubt=tuple(queries.reporting.console.latest_in_doubt(connection, _MAX_IN_DOUBT)),
                stopped=tuple(queries.reporting.console.stopped_channels(connection)),
            )


def reuse_time(counting: Millis) -> Millis:
    """Return how long to reuse an overview that took `counting` to make.

    Counting reads the whole ledger, which must not happen at each reload of the page: a small ledger may
    be counted twice a second, a large one once in five seconds.
    """
    return min(_MAX_REUSE_MS, max(_MIN_REUSE_MS, _REUSE_FACTOR * counting))


def for_browsers(handler: Handler) -> Handler:
    """Accept the token as a password, and let browsers ask for it. Only for pages that change nothing: a browser sends
    the password with every request to them, also with one that another site's page causes."""

    async def with_password(request: Request) -> Response:
        token = _password(request.headers.get("authorization", ""))
        if token is not None:
            others = [(name, value) for name, value in request.scope["headers"] if name != b"authorization"]
            scope = {**request.scope, "headers": [*others, (b"authorization", b"Bearer " + token)]}
            request = Request(scope, request.receive)
        try:
            return await handler(request)
        except HTTPException as refusal:
            if refusal.status_code == 401:
                headers = {"WWW-Authenticate": 'Basic realm="Lapse: web.api_token is the password", charset="UTF-8"'}
                raise HTTPException(401, refusal.detail, headers) from None
            raise

    return with_password


def _password(authorization: str) -> bytes | None:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(given, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return None
