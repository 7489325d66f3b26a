"""`GET /api/brake` shows detect's brake, `POST /api/brake/release` releases it."""

import asyncio
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from consumer.kafka.detect_loop.brake_control import BrakeControl, BrakeStatus
from consumer.web.auth import ApiGuard

_RELEASE_TIMEOUT_S = 10.0  # detect's loop acts on it in its next round


def routes(brake_control: BrakeControl, guard: ApiGuard) -> list[Route]:
    """Return both routes. Answers have `engaged`, `released`, `held`, `distrusted` and `words`; a release answers with
    the state before it."""

    async def status(request: Request) -> Response:
        return JSONResponse(_to_json(brake_control.status))

    async def release(request: Request) -> Response:
        try:
            found = await asyncio.wait_for(asyncio.wrap_future(brake_control.release()), _RELEASE_TIMEOUT_S)
        except TimeoutError:
            return JSONResponse({"error": "detect is busy or waits for the broker: see /readyz and try again"}, 503)
        return JSONResponse(_to_json(found))

    return [
        Route("/api/brake", guard(status)),
        Route("/api/brake/release", guard(release), methods=["POST"]),
    ]


def _to_json(status: BrakeStatus) -> dict[str, Any]:
    return {**asdict(status), "words": status.words}
