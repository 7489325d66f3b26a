"""The operator's hand on the brake: `GET /api/brake` and `POST /api/brake/release`."""

import asyncio
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from consumer.kafka.detect_loop.brake_control import BrakeControl, BrakeStatus
from consumer.web.auth import ApiGuard

_PATIENCE = 10.0  # seconds for the loop to come round


def routes(brake_control: BrakeControl, guard: ApiGuard) -> list[Route]:
    """Both answer with `engaged`, `released`, `held`, `distrusted` and `words`; a release with how it was before."""

    async def status(request: Request) -> Response:
        return JSONResponse(_told(brake_control.status))

    async def release(request: Request) -> Response:
        try:
            found = await asyncio.wait_for(asyncio.wrap_future(brake_control.release()), _PATIENCE)
        except TimeoutError:
            return JSONResponse({"error": "detect is busy or waits for the broker: see /readyz, and try again"}, 503)
        return JSONResponse(_told(found))

    return [
        Route("/api/brake", guard(status)),
        Route("/api/brake/release", guard(release), methods=["POST"]),
    ]


def _told(status: BrakeStatus) -> dict[str, Any]:
    return {**asdict(status), "words": status.words}
