"""The operator's page, and the same as JSON: what stands where, what is in doubt, what is stopped.

Nothing here shows a name or a phone number. The page needs no script; a browser that is asked for a password gives the
API's token as that.
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

_MOST = 200
_SHORTEST_REUSE, _LONGEST_REUSE = SECOND // 2, 5 * SECOND
_REUSE_PER_COUNTING = 50

_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class Console:
    """`ledger` is None where only detect runs: then there is its health to see, and no more."""

    def __init__(self, health: Health, ledger: Ledger | None, clock: Clock) -> None:
        self._health = health
        self._ledger = ledger
        self._clock = clock
        self._seen: Overview | None = None
        self._reuse: Millis = 0
        self._asking = asyncio.Lock()

    def routes(self, guard: ApiGuard) -> list[Route]:
        """`GET /`, `/api/overview` and `/api/openapi.json`, for those whom `guard` lets in."""
        return [
            Route("/", for_browsers(guard(self._page))),
            Route("/api/overview", guard(self._overview)),
            Route("/api/openapi.json", guard(self._openapi)),
        ]

    async def _page(self, request: Request) -> Response:
        return Response(render_page(await self.seen()), headers=_HEADERS, media_type="text/html")

    async def _overview(self, request: Request) -> Response:
        return JSONResponse(to_json(await self.seen()), headers={"cache-control": "no-store"})

    async def _openapi(self, request: Request) -> Response:
        return JSONResponse(openapi.document([route.path for route in request.app.routes if isinstance(route, Route)]))

    async def seen(self) -> Overview:
        """How it stands now, or did a moment ago."""
        async with self._asking:
            now = self._clock.now()
            if self._seen is None or not 0 <= now - self._seen.at < self._reuse:
                started = self._clock.monotonic()
                self._seen = await asyncio.to_thread(self._look, now)
                self._reuse = reuse_time(self._clock.monotonic() - started)
            return self._seen

    def _look(self, now: Millis) -> Overview:
        parts = self._health.states()
        if self._ledger is None:
            return Overview(at=now, parts=parts)
        with self._ledger.reading() as connection:
            reminders = tuple(queries.console.status_counts(connection))
            return Overview(
                at=now,
                parts=parts,
                reminders=reminders,
                doubts=sum(each.count for each in reminders if each.status in ("unknown", "unresolved")),
                in_doubt=tuple(queries.console.latest_in_doubt(connection, _MOST)),
                stopped=tuple(queries.console.stopped_channels(connection)),
            )


def reuse_time(counting: Millis) -> Millis:
    """Return for how long an overview is shown again that took `counting` to make.

    Counting reads the whole ledger, which must not happen each time that somebody reloads the page: a small ledger may
    be counted twice a second, a large one every five seconds.
    """
    return min(_LONGEST_REUSE, max(_SHORTEST_REUSE, _REUSE_PER_COUNTING * counting))


def for_browsers(handler: Handler) -> Handler:
    """Takes a token that a browser sends as a password, and has it ask for one. Only for what changes nothing: a
    browser sends passwords along wherever another site's page leads it."""

    async def asked(request: Request) -> Response:
        token = _password(request.headers.get("authorization", ""))
        if token is not None:
            others = [(name, value) for name, value in request.scope["headers"] if name != b"authorization"]
            scope = {**request.scope, "headers": [*others, (b"authorization", b"Bearer " + token)]}
            request = Request(scope, request.receive)
        try:
            return await handler(request)
        except HTTPException as refusal:
            if refusal.status_code == 401:
                ask = {"WWW-Authenticate": 'Basic realm="Lapse: web.api_token is the password", charset="UTF-8"'}
                raise HTTPException(401, refusal.detail, ask) from None
            raise

    return asked


def _password(authorization: str) -> bytes | None:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(given, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return None
