"""Builds the web application: webhook, health, metrics and the routes of console and API."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import TypeAlias

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from consumer.config.sections.service import WEBHOOK_PATH
from consumer.web.auth import ApiGuard, Handler
from consumer.web.health import Health
from consumer.web.webhook import WebhookEndpoint

Probe: TypeAlias = Callable[[], Awaitable[None]]
"""Tries something that must work for the process to be ready; raises if it does not."""

_PROBE_TIMEOUT_S = 2.0

log = structlog.get_logger()


def build(
    *,
    health: Health,
    metrics: CollectorRegistry,
    webhook: WebhookEndpoint | None = None,
    probes: Mapping[str, Probe] | None = None,
    api: Sequence[Route] = (),
    guard: ApiGuard | None = None,
) -> Starlette:
    """Return the web application; `api` are more routes. Without a `guard` only this machine sees metrics and details.

    Without a `webhook` (only detect runs, no secret is configured, or it has a listener of its own) its path
    answers 404.
    """
    guard = guard or ApiGuard(None, open_to_this_machine=True)
    pages = [
        Route("/healthz", _healthz(health, guard)),
        Route("/readyz", _readyz(health, dict(probes or {}), guard)),
        Route("/metrics", guard.for_scrapers(_metrics(metrics))),
        *api,
    ]
    return _application([*pages, *_webhook_routes(webhook)])


def build_public(webhook: WebhookEndpoint | None) -> Starlette:
    """Return the application for the internet: the webhook and nothing else."""
    return _application(_webhook_routes(webhook))


def _webhook_routes(webhook: WebhookEndpoint | None) -> list[Route]:
    return [Route(WEBHOOK_PATH + "{secret:path}", webhook.receive, methods=["POST"])] if webhook else []


def _application(routes: Sequence[Route]) -> Starlette:
    app = Starlette(routes=routes, exception_handlers={HTTPException: _http_error, Exception: _internal_error})
    # A redirect would put the webhook's secret into a header, and no client follows a redirect with a POST.
    app.router.redirect_slashes = False
    return app


def _healthz(health: Health, guard: ApiGuard) -> Handler:
    async def healthz(request: Request) -> Response:
        dead = health.dead()
        details = {"dead": dead} if await guard.shows_details(request) else {}
        return JSONResponse({"alive": not dead, **details}, 503 if dead else 200)

    return healthz


def _readyz(health: Health, probes: Mapping[str, Probe], guard: ApiGuard) -> Handler:
    async def readyz(request: Request) -> Response:
        found = await asyncio.gather(*(_probe(name, probe) for name, probe in probes.items()))
        states = health.states()
        parts = {name: {"ok": state.ok, "detail": state.detail} for name, state in states.items()}
        for name, problem in zip(probes, found, strict=True):
            parts[name] = {"ok": problem is None, "detail": problem}
        ready = all(state.ready for state in states.values()) and not any(found)
        details = {"parts": parts} if await guard.shows_details(request) else {}
        return JSONResponse({"ready": ready, **details}, 200 if ready else 503)

    return readyz


async def _probe(name: str, probe: Probe) -> str | None:
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            await probe()
    except TimeoutError:
        return f"no answer within {_PROBE_TIMEOUT_S:g} s"
    except Exception as error:  # any failure means the same here: not ready
        log.warning("probe_failed", part=name, exc_info=True)
        return type(error).__name__  # not its text, which may contain an address with a password
    return None


def _metrics(registry: CollectorRegistry) -> Handler:
    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        content = await run_in_threadpool(encode, registry)  # not asyncio's threads, which the ledger's work fills
        return Response(content, headers={"content-type": content_type})

    return metrics


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _internal_error(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": HTTPStatus.INTERNAL_SERVER_ERROR.phrase}, 500)
