"""Where 1MSG tells what became of our messages: stored first, answered then.

1MSG signs nothing (contract fact 7), so the only proof of who calls is a secret in the URL. Without it the page does
not exist. 200 promises that the body is kept; after anything else 1MSG may call again (contract §8.7).
"""

import asyncio
import hmac
import json
from typing import Protocol

import structlog
from prometheus_client import Counter
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

LIMIT = 1_000_000
"""Bytes. A body with the reports of a hundred messages has some thirty thousand."""

_PATIENCE = 15.0
"""Seconds for a body to arrive."""

log = structlog.get_logger()


class WebhookStore(Protocol):
    """Where bodies are kept."""

    async def submit(self, body: bytes) -> None:
        """Returns once the body is stored durably; raises if it could not be."""
        ...


class WebhookEndpoint:
    """The endpoint. `outcomes` counts calls by what became of them: the label is `outcome`."""

    def __init__(self, *, inbox: WebhookStore, secret: SecretStr, outcomes: Counter) -> None:
        self._inbox = inbox
        self._secret = secret.get_secret_value().encode()
        self._outcomes = outcomes

    async def receive(self, request: Request) -> Response:
        # (Senders put a slash to the end of a URL, or take it away; contract §7.)
        given = request.path_params["secret"].strip("/").encode()
        if not hmac.compare_digest(given, self._secret):
            self._outcomes.labels("bad_secret").inc()
            raise HTTPException(404)
        body = await self._body(request)
        if not _is_json(body):
            raise self._refused(400, "unreadable")
        return await self._stored(body)

    async def _stored(self, body: bytes) -> Response:
        try:
            await self._inbox.submit(body)
        except Exception:  # whatever it was, the body is not kept, and must be sent again
            log.exception("webhook_not_stored", size=len(body))
            raise self._refused(503, "not_stored") from None
        self._outcomes.labels("stored").inc()
        return JSONResponse({"stored": True})

    async def _body(self, request: Request) -> bytes:
        """The whole body, of which never more than the limit is held."""
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > LIMIT:
            raise self._refused(413, "too_large")
        body = bytearray()
        try:
            async with asyncio.timeout(_PATIENCE):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > LIMIT:
                        raise self._refused(413, "too_large")
        except (TimeoutError, ClientDisconnect):
            raise self._refused(408, "unreadable") from None
        return bytes(body)

    def _refused(self, status: int, outcome: str) -> HTTPException:
        self._outcomes.labels(outcome).inc()
        return HTTPException(status, detail=outcome)


def _is_json(body: bytes) -> bool:
    """Whether it is JSON of any form: forms that we do not know are kept (contract §8.5)."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
