"""Waiting for an event, but not for ever."""

import asyncio
import contextlib

from consumer.clock import SECOND, Millis


async def wait_for_event(event: asyncio.Event, timeout_ms: Millis) -> None:
    """Return when `event` is set, or after `timeout_ms`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_ms / SECOND):
            await event.wait()
