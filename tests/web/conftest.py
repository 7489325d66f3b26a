"""The real web application under the real server, on a port of its own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from consumer.clock import ManualClock, SystemClock
from consumer.web.server import listen, serve
from consumer.web.wrong_secrets import WrongSecrets
from tests.timelines.deliver_diary import Diary

Serving = Callable[[ASGIApp], httpx.Client]
UNHURRIED = WrongSecrets(ManualClock(), lambda seconds: asyncio.sleep(0))
"""Refuses wrong secrets at once."""


@contextmanager
def served(app: ASGIApp, most: int | None = None) -> Iterator[str]:
    """Serves `app` in a thread and gives its address."""
    with _served_until_told(app, most) as (address, _):
        yield address


@contextmanager
def _served_until_told(app: ASGIApp, most: int | None = None) -> Iterator[tuple[str, Callable[[], None]]]:
    """As `served`, and gives what tells it to stop, for which it does not wait."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(app, listener, stop, most=most)))
    thread.start()

    def tell_to_stop() -> None:
        loop.call_soon_threadsafe(stop.set)

    try:
        yield f"http://127.0.0.1:{port}", tell_to_stop
    finally:
        tell_to_stop()
        thread.join(10)
        loop.close()
    assert not thread.is_alive()


@pytest.fixture
def diary(tmp_path: Path) -> Iterator[Diary]:
    """A replica of deliver whose clock shows the present time."""
    diary = Diary(tmp_path, clock=ManualClock(SystemClock().now()))
    yield diary
    diary.close()


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    """Serves an application and gives a client of it; everything ends with the module."""
    every: list[Callable[[], None]] = []
    with ExitStack() as stack:

        def start(app: ASGIApp) -> httpx.Client:
            address, tell_to_stop = stack.enter_context(_served_until_told(app))
            every.append(tell_to_stop)
            return stack.enter_context(httpx.Client(base_url=address, timeout=10))

        yield start
        for tell_to_stop in every:  # at once: uvicorn looks every tenth of a second whether it is to stop
            tell_to_stop()
