"""Sends what is due: claim and journal, then the requests, then the record of what came of them.

1. Claim.  One transaction takes rights to send from the channel's pace, decides about a batch and journals its
           attempts, durably, each under a lease. Afterwards nothing may wait.
2. Send.   All at once. A request whose lease is over (a process that was paused) does not leave.
3. Record. Answers that arrive together share one transaction.

A crash after 1 leaves attempts in `sending`; when their lease is over they are unknown, and are not sent again.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import structlog

from consumer.clock import SECOND, Clock
from consumer.deliver.channel.circuit_breaker import MediumClient
from consumer.deliver.group_commit import GroupCommit
from consumer.deliver.sending.claim_base import Attempt, Claim, ClaimPreview
from consumer.deliver.sending.results import AttemptResult, ResultRecorder
from consumer.metrics import DeliverMetrics
from consumer.onemsg.api_errors import OneMsgError
from consumer.onemsg.outcomes import Outcome, Unknown

_RECORD_TRIES = 6
_SOON = 0.005
"""Seconds until it is worth while to look whether a request has ended."""

log = structlog.get_logger()


M = TypeVar("M")


class ClaimSource(Protocol[M]):
    """Takes due reminders of one medium: `claims`, or `fallback_claims`. Blocks its thread."""

    def preview(self) -> ClaimPreview: ...

    def postpone_probe(self) -> None: ...

    def take(self, most: int) -> Claim[M]: ...


class Sender(Generic[M]):
    """Sends the reminders of one medium over its channel.

    At most `batch` reminders are claimed at a time, and at most `in_flight` requests are out at once: no more than the
    channel has connections, since none may wait for one.
    """

    def __init__(
        self,
        claims: ClaimSource[M],
        answers: ResultRecorder,
        *,
        channel: MediumClient[M],
        clock: Clock,
        metrics: DeliverMetrics,
        batch: int = 100,
        in_flight: int = 100,
        record_again_after: float = 0.2,
    ) -> None:
        self._claims = claims
        self._answers = GroupCommit(answers.record)
        self._channel = channel
        self._clock = clock
        self._metrics = metrics
        self._batch = batch
        self._room = in_flight
        # A claim is a commit: not for a handful while many requests are out.
        self._least = max(1, min(batch, in_flight) // 4)
        self._more = False
        """The last batch was a full one, so there is more without looking."""
        self._record_again_after = record_again_after
        self.stopped_because: str | None = None
        """Why the channel took nothing when it was last looked at."""

    async def step(self) -> int:
        """Decide about one batch, send, and record. Returns how many reminders were decided about."""
        claim = await self._claim()
        if claim is None:
            return 0
        await self._carry_out(claim)
        return claim.rows

    async def run(self, stop: asyncio.Event, *, idle: float = 0.1, progress: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set, then wait for what is in flight. Looks again after `idle` seconds of nothing.

        Unlike `step`, it does not wait for slow answers before it claims more. `progress` is called every round.
        Raises what the ledger raised, once everything in flight has been recorded or given up on.
        """
        under_way: set[asyncio.Task[None]] = set()
        try:
            while not stop.is_set():
                claim = await self._claim()
                progress()
                if claim is not None and claim.attempts:
                    task = asyncio.create_task(self._carry_out(claim))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                if claim is None or not claim.rows:
                    await _either(stop, idle if self._room >= self._least else _SOON)
        finally:
            await asyncio.gather(*under_way)

    async def _claim(self) -> Claim[M] | None:
        """Step 1; None if there is nothing to do, or no right to do it."""
        if self._room < self._least or not (self._more or await self._work()):
            return None
        most = min(self._batch, self._room)
        claim = await asyncio.to_thread(self._claims.take, most)
        self._room -= len(claim.attempts)
        self._more = len(claim.attempts) == most
        return claim

    async def _work(self) -> bool:
        """Whether there is anything to do. Before a silent channel is probed, it is asked whether it is there."""
        seen = await asyncio.to_thread(self._claims.preview)
        self.stopped_because = seen.stopped_because
        if seen.needs_status_check and not await self._is_connected():
            await asyncio.to_thread(self._claims.postpone_probe)
        return seen.work

    async def _is_connected(self) -> bool:
        try:
            status = await self._channel.status()
        except OneMsgError as error:
            log.warning("channel_does_not_answer", error=str(error))
            return False
        if not status.connected:
            log.warning("channel_not_connected", status=status.status)
        return status.connected

    async def _carry_out(self, claim: Claim[M]) -> None:
        """Steps 2 and 3."""
        await asyncio.gather(*(self._attempt(attempt, claim) for attempt in claim.attempts))

    async def _attempt(self, attempt: Attempt[M], claim: Claim[M]) -> None:
        clear = False
        try:
            outcome = await self._send(attempt, claim)
            # Its connection is free. An unknown keeps its place until it is recorded: it may stop the channel.
            clear = not isinstance(outcome, Unknown)
            self._room += clear
            if outcome is not None:
                await self._record(AttemptResult(attempt.key, attempt.number, attempt.started_at, outcome))
        finally:
            self._room += not clear

    async def _send(self, attempt: Attempt[M], claim: Claim[M]) -> Outcome | None:
        """What became of the request; None if it was not made, because its lease is over."""
        now = self._clock.now()
        left = min(claim.lease_until - now, claim.lease_until_monotonic - self._clock.monotonic())
        if left <= 0:
            log.warning("lease_over_before_sending", reminder=attempt.key[0], attempt=attempt.number)
            return None
        if attempt.number == 1:
            self._metrics.lapse_to_send.observe((now - attempt.lapsed_at) / SECOND)
        try:
            with self._metrics.sends_in_flight.track_inprogress():
                async with asyncio.timeout(left / SECOND):
                    return await self._channel.send_template(attempt.message)
        except TimeoutError:
            return Unknown(reason="timeout")
        except Exception:
            # The channel answers with outcomes; whatever else happens, the request may have left.
            log.exception("send_broke", reminder=attempt.key[0], attempt=attempt.number)
            return Unknown(reason="client_error")

    async def _record(self, answer: AttemptResult) -> None:
        """Step 3. Where the ledger refuses for long the attempt stays `sending`, and becomes unknown."""
        for turn in range(1, _RECORD_TRIES + 1):
            try:
                await self._answers.submit(answer)
            except Exception:
                log.exception("answer_not_recorded", reminder=answer.key[0], attempt=answer.number, turn=turn)
                await asyncio.sleep(self._record_again_after * 2**turn)
            else:
                return


async def _either(stop: asyncio.Event, seconds: float) -> None:
    """Until `stop` is set or so many seconds have passed."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
