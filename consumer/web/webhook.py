"""The endpoint to which 1MSG reports what became of our messages: each body is stored, then answered.

1MSG signs nothing (docs/1msg.md#seven-facts, 7), so only a secret in the URL proves who calls; without it the answer
is 404.
200 promises that the body is stored; after anything else 1MSG may call again (docs/1msg.md#order-and-repeats).
"""

import hmac
import json
from collections.abc import Sequence
from typing import Protocol

import structlog
from prometheus_client import Counter
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from consumer.clock import SystemClock
from consumer.web.request_body import read_body
from consumer.web.wrong_secrets import WrongSecrets

MAX_BODY_BYTES = 4_000_000
"""Meta sends up to three megabytes at once; the reports of a hundred messages have about thirty thousand."""

log = structlog.get_logger()


class WebhookStore(Protocol):
    """Stores webhook bodies."""

    async def submit(self, body: bytes) -> None:
        """Store the body durably; raise if that is not possible."""
        ...


class WebhookEndpoint:
    """The endpoint. `outcomes` counts calls by the label `outcome`; any of `secrets` is right."""

    def __init__(
        self,
        *,
        inbox: WebhookStore,
        secrets: Sequence[SecretStr],
        outcomes: Counter,
        wrong_secrets: WrongSecrets | None = None,
    ) -> None:
        self._inbox = inbox
        self._secrets = [secret.get_secret_value().encode() for secret in secrets]
        self._outcomes = outcomes
        self._wrong_secrets = wrong_secrets or WrongSecrets(SystemClock())

    async def receive(self, request: Request) -> Response:
        # Some senders add a slash to the end of a URL, or remove it (docs/1msg.md#webhook-registration).
        given = request.path_params["secret"].strip("/").encode()
        if not sum(hmac.compare_digest(given, secret) for secret in self._secrets):
            self._outcomes.labels("bad_secret").inc()
            await self._wrong_secrets.delay()
            raise HTTPException(404)
        body = await self._body(request)
        if not _is_json(body):
            raise self._refused(400, "unreadable")
        return await self._stored(body)

    async def _stored(self, body: bytes) -> Response:
        try:
            await self._inbox.submit(body)
        except Exception:  # whatever it was, the body is not stored, and must be sent again
            log.exception("webhook_not_stored", size=len(body))
            raise self._refused(503, "not_stored") from None
        self._outcomes.labels("stored").inc()
        return JSONResponse({"stored": True})

    async def _body(self, request: Request) -> bytes:
        try:
            return await read_body(request, "too_large", MAX_BODY_BYTES)
        except HTTPException as refused:
            outcome = "too_large" if refused.status_code == 413 else "unreadable"
            raise self._refused(refused.status_code, outcome) from None

    def _refused(self, status: int, outcome: str) -> HTTPException:
        self._outcomes.labels(outcome).inc()
        return HTTPException(status, detail=outcome)


def _is_json(body: bytes) -> bool:
    """Return whether the body is JSON. Unknown forms of JSON are stored too (docs/1msg.md#other-bodies)."""
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
