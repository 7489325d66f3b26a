"""Sends events to the channel's webhooks: one shared HTTP transport, bounded queues.

Events that are due for a webhook within `GATHER_S` go into one body (`ack[]` and the raw form are arrays), at most
`MAX_EVENTS_IN_A_BODY`: a busy channel makes a hundred requests a second instead of thousands. A webhook
gets one request at a time, so the order is kept, unless a fault changes it. At most `MAX_QUEUE` events wait for a
webhook; beyond that the oldest is dropped and counted.

With `guaranteedHooks` an event whose request was not answered with 2xx is sent again, up to `MAX_ATTEMPTS` times in
all, with a pause that grows with each failure. Without the setting an event is sent once. Redirects are not followed,
no proxy is used and nothing is logged: httpx's transport is called directly because its client would log the URL, which
contains the webhook's secret.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from consumer.sandbox.channel_state import Channel, Message, Now
from consumer.sandbox.faults.fates import Callback, Step
from consumer.sandbox.responses import to_json
from consumer.sandbox.webhooks.payloads import WebhookEvent, webhook_body

MAX_EVENTS_IN_A_BODY: Final = 200
GATHER_S: Final = 0.01
MAX_QUEUE: Final = 50_000
MAX_ATTEMPTS: Final = 20
"""As the product before 1MSG documented it (docs/1msg.md#webhook-registration)."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
TIMEOUT_S: Final = 10.0

_HEADERS: Final = {"Content-Type": "application/json"}
_EXTENSIONS: Final = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), TIMEOUT_S)}


@dataclass(slots=True)
class Destination:
    """One webhook: the events that wait for it, and the state of its calls."""

    url: str
    waiting: deque[tuple[WebhookEvent, int]] = field(default_factory=deque)
    """Events, each with the number of its failed attempts."""
    has_worker: bool = False
    pausing: bool = False
    failed_in_a_row: int = 0
    disabled: bool = False


class WebhookSender:
    """Call the webhooks of one channel, all in one event loop. Call `stop` at the end.

    After `disable_after` failures in a row a webhook is not called until the whole list is posted again; None means
    never.
    """

    def __init__(self, channel: Channel, now: Now, *, disable_after: int | None) -> None:
        self._channel = channel
        self._now = now
        self._disable_after = disable_after
        self._destinations: dict[str, Destination] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._scheduled = 0
        self.counts: Counter[str] = Counter()

    async def stop(self) -> None:
        """Drop all events that have not been sent."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._transport is not None:
            await self._transport.aclose()

    @property
    def pending(self) -> int:
        """The number of events that are not sent yet, and of tasks that are sending."""
        waiting = sum(len(destination.waiting) for destination in self._destinations.values())
        return self._scheduled + waiting + len(self._tasks)

    def statuses(self) -> dict[str, str]:
        """Return `active` or `disabled` for each registered webhook."""
        found = {url: self._destinations.get(url) for url in self._channel.settings.webhooks}
        return {url: "disabled" if known and known.disabled else "active" for url, known in found.items()}

    def follow_registration(self, *, enable: bool) -> None:
        """Forget webhooks that are no longer registered; with `enable`, call disabled ones again."""
        registered = self._channel.settings.webhooks
        self._destinations = {url: known for url, known in self._destinations.items() if url in registered}
        for destination in self._destinations.values() if enable else ():
            destination.disabled = False
            destination.failed_in_a_row = 0

    def schedule(self, message: Message, callbacks: Sequence[Callback]) -> None:
        """Send each event when it is due, counted from now."""
        loop = asyncio.get_running_loop()
        for callback in callbacks:
            self._scheduled += 1
            loop.call_later(callback.after / 1000, self._send_due, message, callback)

    def send(self, event: WebhookEvent) -> None:
        """Queue the event for every webhook that is registered at this moment."""
        for url in self._channel.settings.webhooks:
            destination = self._destinations.setdefault(url, Destination(url))
            if destination.disabled:
                continue
            if len(destination.waiting) >= MAX_QUEUE:
                destination.waiting.popleft()
                self.counts["dropped"] += 1
            destination.waiting.append((event, 0))
            self.counts["events"] += 1
            self._start_worker(destination)

    async def send_now(self, message: Message, callback: Callback) -> None:
        """Send to every webhook and wait for its answer: for a status that comes before the answer to the client."""
        event = self._event(message, callback)
        if event is None:
            return
        for url in self._channel.settings.webhooks:
            destination = self._destinations.setdefault(url, Destination(url))
            if not destination.disabled:
                self.counts["events"] += 1
                await self._send_batch(destination, [(event, 0)])

    def _send_due(self, message: Message, callback: Callback) -> None:
        self._scheduled -= 1
        event = self._event(message, callback)
        if event is not None:
            self.send(event)

    def _event(self, message: Message, callback: Callback) -> WebhookEvent | None:
        """Return the event, or None if the settings do not ask for it: statuses need `ackNotificationsOn`."""
        settings = self._channel.settings
        if callback.kind == "status":
            return WebhookEvent(message, message.steps[callback.step]) if settings.acks else None
        if callback.kind == "echo":
            return WebhookEvent(message) if settings.echo else None
        foreign = self._channel.foreign_message(self._now())
        return WebhookEvent(foreign, Step(0, "delivered")) if settings.acks else None

    def _start_worker(self, destination: Destination) -> None:
        """Make sure that a worker takes what waits."""
        if destination.has_worker or destination.pausing:
            return
        destination.has_worker = True
        task = asyncio.get_running_loop().create_task(self._drain(destination))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self, destination: Destination) -> None:
        waiting = destination.waiting
        try:
            while waiting and not destination.pausing and self._destinations.get(destination.url) is destination:
                await asyncio.sleep(GATHER_S)
                batch = [waiting.popleft() for _ in range(min(len(waiting), MAX_EVENTS_IN_A_BODY))]
                if batch:
                    await self._send_batch(destination, batch)
        finally:
            destination.has_worker = False

    async def _send_batch(self, destination: Destination, batch: list[tuple[WebhookEvent, int]]) -> None:
        succeeded = await self._post(destination, [event for event, _ in batch])
        if not succeeded and self._channel.settings.guaranteed and not destination.disabled:
            self._put_back(destination, batch)

    def _put_back(self, destination: Destination, batch: list[tuple[WebhookEvent, int]]) -> None:
        again = [(event, failures + 1) for event, failures in batch if failures + 1 < MAX_ATTEMPTS]
        self.counts["given_up"] += len(batch) - len(again)
        self.counts["retried"] += len(again)
        destination.waiting.extendleft(reversed(again))
        if not destination.pausing:
            destination.pausing = True
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(10, destination.failed_in_a_row - 1))
            asyncio.get_running_loop().call_later(pause, self._end_pause, destination)

    def _end_pause(self, destination: Destination) -> None:
        destination.pausing = False
        self._start_worker(destination)

    async def _post(self, destination: Destination, events: list[WebhookEvent]) -> bool:
        """Send one request; return whether it was answered with 2xx."""
        if self._transport is None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
            self._transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
        content = to_json(webhook_body(events, self._channel.id, raw=self._channel.settings.raw))
        request = httpx.Request("POST", destination.url, headers=_HEADERS, content=content, extensions=_EXTENSIONS)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._transport.handle_async_request(request)
                await answer.aread()
                await answer.aclose()
                succeeded = answer.is_success
        except (httpx.HTTPError, TimeoutError):
            succeeded = False  # an unreachable webhook is one more failed call, counted below
        self.counts["posts"] += 1
        self.counts["acknowledged" if succeeded else "failed"] += 1
        destination.failed_in_a_row = 0 if succeeded else destination.failed_in_a_row + 1
        if self._disable_after is not None and destination.failed_in_a_row >= self._disable_after:
            destination.disabled = True
            destination.waiting.clear()
        return succeeded
