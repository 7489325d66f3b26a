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
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(app, listener, stop, most=most)))
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
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
    with ExitStack() as stack:

        def start(app: ASGIApp) -> httpx.Client:
            address = stack.enter_context(served(app))
            return stack.enter_context(httpx.Client(base_url=address, timeout=10))

        yield start
