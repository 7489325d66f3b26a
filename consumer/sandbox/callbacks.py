"""Calls the channel's webhooks back: one shared HTTP transport, bounded concurrency, bounded queues.

What becomes due for a webhook within `GATHER` goes together into one body (the `ack[]` and the raw form are arrays), at
most `MOST_IN_A_BODY` of it, so a busy channel makes a hundred requests a second of it instead of thousands. With one
request under way at a time the order is kept, unless a fault bends it; with more of them it is left to chance. At most
`LONGEST_QUEUE` events wait for a webhook; beyond that the oldest is dropped and counted.

With `guaranteedHooks` an event whose body was not answered with 2xx is told again, up to `ATTEMPTS` times in all; its
webhook rests meanwhile, ever longer while it keeps failing. Without the setting an event is told once. No redirect is
followed, no proxy is used, and nothing is logged: httpx's transport is called directly because its client would log the
URL, and with it the secret of a webhook.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from consumer.sandbox.answers import to_json
from consumer.sandbox.bodies import Event, body_of
from consumer.sandbox.fates import Call, Step
from consumer.sandbox.state import Channel, Message, Now

MOST_IN_A_BODY: Final = 200
GATHER: Final = 0.01
LONGEST_QUEUE: Final = 50_000
ATTEMPTS: Final = 20
"""What the ancestor product documented (contract §7, lineage only)."""
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 5.0
REQUEST_TIMEOUT_S: Final = 10.0
"""GATHER and the pauses are seconds too."""

_HEADERS: Final = {"Content-Type": "application/json"}
_EXTENSIONS: Final = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), REQUEST_TIMEOUT_S)}


@dataclass(slots=True)
class Destination:
    """One webhook: what waits for it, and how it has fared."""

    url: str
    waiting: deque[tuple[Event, int]] = field(default_factory=deque)
    """Events with the number of times they have been told in vain."""
    workers: int = 0
    gathering: bool = False
    resting: bool = False
    failed_in_a_row: int = 0
    disabled: bool = False


class Callbacks:
    """Tells the webhooks of one channel, all in one event loop. `stop` at the end.

    `concurrency`: requests that may be under way to one webhook. `disable_after`: a webhook that failed so often in a
    row is called no more until the whole list is posted again (contract §7); None: never.
    """

    def __init__(self, channel: Channel, now: Now, *, concurrency: int, disable_after: int | None) -> None:
        self._channel = channel
        self._now = now
        self._concurrency = concurrency
        self._disable_after = disable_after
        self._destinations: dict[str, Destination] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: httpx.AsyncHTTPTransport | None = None
        self._scheduled = 0
        self.counts: Counter[str] = Counter()

    async def stop(self) -> None:
        """Drops what has not been told."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._transport is not None:
            await self._transport.aclose()

    @property
    def pending(self) -> int:
        """Events that are still to be told, or whose telling is under way."""
        waiting = sum(len(destination.waiting) for destination in self._destinations.values())
        return self._scheduled + waiting + len(self._tasks)

    def statuses(self) -> dict[str, str]:
        """Every registered webhook with `active` or `disabled`."""
        found = {url: self._destinations.get(url) for url in self._channel.settings.webhooks}
        return {url: "disabled" if known and known.disabled else "active" for url, known in found.items()}

    def follow_list(self, *, enable: bool) -> None:
        """The list of webhooks was written: removed ones are forgotten; `enable` lets disabled ones start anew."""
        registered = self._channel.settings.webhooks
        self._destinations = {url: known for url, known in self._destinations.items() if url in registered}
        for destination in self._destinations.values() if enable else ():
            destination.disabled = False
            destination.failed_in_a_row = 0

    def schedule(self, message: Message, calls: Sequence[Call]) -> None:
        """Every call in its time, counted from now."""
        loop = asyncio.get_running_loop()
        for call in calls:
            self._scheduled += 1
            loop.call_later(call.after / 1000, self._due, message, call)

    def tell(self, event: Event) -> None:
        """Puts the event before every webhook that is registered at this moment."""
        for url in self._channel.settings.webhooks:
            destination = self._destinations.setdefault(url, Destination(url))
            if destination.disabled:
                continue
            if len(destination.waiting) >= LONGEST_QUEUE:
                destination.waiting.popleft()
                self.counts["dropped"] += 1
            destination.waiting.append((event, 0))
            self.counts["events"] += 1
            self._work(destination)

    async def tell_now(self, message: Message, call: Call) -> None:
        """Tells every webhook and waits until it has answered: for a status that comes before the answer."""
        event = self._event(message, call)
        for url in self._channel.settings.webhooks if event else ():
            assert event is not None
            destination = self._destinations.setdefault(url, Destination(url))
            if not destination.disabled:
                self.counts["events"] += 1
                await self._tell_batch(destination, [(event, 0)])

    def _due(self, message: Message, call: Call) -> None:
        self._scheduled -= 1
        event = self._event(message, call)
        if event is not None:
            self.tell(event)

    def _event(self, message: Message, call: Call) -> Event | None:
        """What a call says, or nothing if the settings do not ask for it. Statuses need `ackNotificationsOn`."""
        settings = self._channel.settings
        if call.kind == "status":
            return Event(message, message.steps[call.step]) if settings.acks else None
        if call.kind == "echo":
            return Event(message) if settings.echo else None
        stranger = self._channel.stranger(self._now())
        return Event(stranger, Step(0, "delivered")) if settings.acks else None

    def _work(self, destination: Destination) -> None:
        """Makes sure that somebody will take what waits: the one who gathers, or else a new worker."""
        if destination.gathering or destination.resting or destination.workers >= self._concurrency:
            return
        destination.workers += 1
        destination.gathering = True
        task = asyncio.get_running_loop().create_task(self._drain(destination))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self, destination: Destination) -> None:
        waiting = destination.waiting
        try:
            while waiting and not destination.resting and self._destinations.get(destination.url) is destination:
                destination.gathering = True
                await asyncio.sleep(GATHER)
                destination.gathering = False
                batch = [waiting.popleft() for _ in range(min(len(waiting), MOST_IN_A_BODY))]
                if batch:
                    await self._tell_batch(destination, batch)
        finally:
            destination.workers -= 1

    async def _tell_batch(self, destination: Destination, batch: list[tuple[Event, int]]) -> None:
        told = await self._post(destination, [event for event, _ in batch])
        if not told and self._channel.settings.guaranteed and not destination.disabled:
            self._put_back(destination, batch)

    def _put_back(self, destination: Destination, batch: list[tuple[Event, int]]) -> None:
        again = [(event, vain + 1) for event, vain in batch if vain + 1 < ATTEMPTS]
        self.counts["given_up"] += len(batch) - len(again)
        self.counts["retried"] += len(again)
        destination.waiting.extendleft(reversed(again))
        if not destination.resting:
            destination.resting = True
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(10, destination.failed_in_a_row - 1))
            asyncio.get_running_loop().call_later(pause, self._wake, destination)

    def _wake(self, destination: Destination) -> None:
        destination.resting = False
        self._work(destination)

    async def _post(self, destination: Destination, events: list[Event]) -> bool:
        """One request; True when it was answered with 2xx."""
        if self._transport is None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
            self._transport = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
        content = to_json(body_of(events, self._channel.id, raw=self._channel.settings.raw))
        request = httpx.Request("POST", destination.url, headers=_HEADERS, content=content, extensions=_EXTENSIONS)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                answer = await self._transport.handle_async_request(request)
                await answer.aread()
                await answer.aclose()
                told = answer.is_success
        except (httpx.HTTPError, TimeoutError):
            told = False  # an unreachable webhook is a failed call like any other, counted below
        self.counts["posts"] += 1
        self.counts["acknowledged" if told else "failed"] += 1
        destination.failed_in_a_row = 0 if told else destination.failed_in_a_row + 1
        if self._disable_after is not None and destination.failed_in_a_row >= self._disable_after:
            destination.disabled = True
            destination.waiting.clear()
        return told
