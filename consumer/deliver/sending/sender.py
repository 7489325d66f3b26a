"""Sends what is due: claim and journal, then the requests, then the record of their outcomes.

1. Claim.  One transaction takes tokens from the channel's rate limit, decides about a batch and journals its attempts,
           durably, each under a lease. Nothing may wait after that.
2. Send.   All at once. A request whose lease has ended (its process was suspended) does not leave.
3. Record. Outcomes that arrive together share one transaction.

A crash after step 1 leaves attempts in `sending`; when their lease ends they become unknown, and are not sent again.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import structlog

from consumer.clock import SECOND, Clock, Millis
from consumer.deliver.channel.circuit_breaker import MediumClient
from consumer.deliver.group_commit import GroupCommit
from consumer.deliver.sending.claims import Attempt, Claim, ClaimPreview
from consumer.deliver.sending.results import AttemptResult
from consumer.ledger.schema.rows import ChannelRow
from consumer.metrics import DeliverMetrics
from consumer.onemsg.api_errors import OneMsgError
from consumer.onemsg.outcomes import Outcome, Unknown
from consumer.spans import SpanRecorder, TraceSpan
from consumer.trace_context import log_fields
from consumer.waiting import wait_for_event

_RECORD_TRIES = 6
_FULL_POLL_MS: Millis = 5
"""How often to look whether a request has ended, while no more may leave."""

STATUS_VALID_MS: Millis = 30 * SECOND
"""For how long the status of a stopped channel is not asked again, once it was connected."""

log = structlog.get_logger()

M = TypeVar("M")


class ClaimSource(Protocol[M]):
    """`Claims`, or a wrapper that measures it. Blocks its thread."""

    def preview(self) -> ClaimPreview: ...

    def postpone_probe(self) -> None: ...

    def take(self, limit: int) -> Claim[M]: ...


class Sender(Generic[M]):
    """Sends the reminders of one medium through its client.

    At most `batch` reminders are claimed at a time, and at most `in_flight` requests are out at once: no more than the
    client has connections, since none may wait for one.
    """

    def __init__(
        self,
        claims: ClaimSource[M],
        record: Callable[[Sequence[AttemptResult]], None],
        *,
        client: MediumClient[M],
        clock: Clock,
        metrics: DeliverMetrics,
        batch: int = 100,
        in_flight: int = 100,
        record_backoff_ms: Millis = 200,
        record_span: SpanRecorder | None = None,
    ) -> None:
        """`record` writes results durably, in a thread: `ResultRecorder.record`. `record_span` traces the requests."""
        self._claims = claims
        self._results = GroupCommit(record)
        self._client = client
        self._clock = clock
        self._metrics = metrics
        self._batch = batch
        self._free_slots = in_flight
        # A claim costs a commit, so it must be worth it: not for a handful while many requests are out.
        self._min_free_slots = max(1, min(batch, in_flight) // 4)
        self._was_full = False
        """The last batch was full, so there is more without a preview."""
        self._record_backoff_ms = record_backoff_ms
        self._record_span = record_span
        self._connected_until: Millis = 0
        """Until then (monotonic) the channel's last status counts."""
        self.breakers: Mapping[str, ChannelRow] = {}
        """The circuit breakers of the channel and its templates at the last preview."""

    async def step(self) -> int:
        """Decide about one batch, send, and record. Returns how many reminders were decided about."""
        claim = await self._claim()
        if claim is None:
            return 0
        await self._carry_out(claim)
        return claim.rows

    async def run(
        self, stop: asyncio.Event, *, idle_ms: Millis = 100, progress: Callable[[], None] = lambda: None
    ) -> None:
        """Work until `stop` is set, then wait for what is in flight. Pauses for `idle_ms` when there is nothing to do.

        Unlike `step`, it claims more before slow answers have arrived. `progress` is called every round. Raises what
        the ledger raised, once everything in flight has been recorded or given up on.
        """
        in_flight: set[asyncio.Task[None]] = set()
        try:
            while not stop.is_set():
                claim = await self._claim()
                progress()
                if claim is not None and claim.attempts:
                    task = asyncio.create_task(self._carry_out(claim))
                    in_flight.add(task)
                    task.add_done_callback(in_flight.discard)
                if claim is None or not claim.rows:
                    is_full = self._free_slots < self._min_free_slots
                    await wait_for_event(stop, _FULL_POLL_MS if is_full else idle_ms)
        finally:
            await asyncio.gather(*in_flight)

    async def _claim(self) -> Claim[M] | None:
        """Step 1; None if there is nothing to do, or nothing may leave."""
        if self._free_slots < self._min_free_slots or not (self._was_full or await self._has_work()):
            return None
        limit = min(self._batch, self._free_slots)
        claim = await asyncio.to_thread(self._claims.take, limit)
        self._free_slots -= len(claim.attempts)
        self._was_full = len(claim.attempts) == limit
        return claim

    async def _has_work(self) -> bool:
        """Return whether there is anything to do. Before a probe of a silent channel, its status is asked."""
        preview = await asyncio.to_thread(self._claims.preview)
        self.breakers = preview.breakers
        if preview.needs_status_check and not await self._is_connected():
            await asyncio.to_thread(self._claims.postpone_probe)
        return preview.has_work

    async def _is_connected(self) -> bool:
        """Ask for the status; not again within STATUS_VALID_MS: what is due may turn out not to be sendable now."""
        if self._clock.monotonic() < self._connected_until:
            return True
        try:
            status = await self._client.status()
        except OneMsgError as error:
            log.warning("channel_does_not_answer", error=str(error))
            return False
        if not status.connected:
            log.warning("channel_not_connected", status=status.status)
        else:
            self._connected_until = self._clock.monotonic() + STATUS_VALID_MS
        return status.connected

    async def _carry_out(self, claim: Claim[M]) -> None:
        """Steps 2 and 3."""
        await asyncio.gather(*(self._attempt(attempt, claim) for attempt in claim.attempts))

    async def _attempt(self, attempt: Attempt[M], claim: Claim[M]) -> None:
        freed, begun = False, self._clock.now()
        try:
            outcome = await self._send(attempt, claim)
            if self._record_span is not None and outcome is not None:
                self._record_span(_span_of(attempt, outcome, begun, self._clock.now()))
            # Its connection is free. An unknown keeps its slot until it is recorded: it may stop the channel.
            freed = not isinstance(outcome, Unknown)
            self._free_slots += freed
            if outcome is not None:
                await self._record(AttemptResult(attempt.key, attempt.number, attempt.started_at, outcome))
        finally:
            self._free_slots += not freed

    async def _send(self, attempt: Attempt[M], claim: Claim[M]) -> Outcome | None:
        """Return the outcome of the request; None if it was not made, because its lease has ended."""
        now = self._clock.now()
        left_ms = min(claim.lease_until - now, claim.lease_until_monotonic - self._clock.monotonic())
        if left_ms <= 0:
            log.warning("lease_ended_before_sending", **_log_fields(attempt))
            return None
        if attempt.number == 1:
            delays = self._metrics.lapse_to_send.labels("yes" if attempt.held else "no")
            delays.observe((now - attempt.lapsed_at) / SECOND)
        try:
            with self._metrics.sends_in_flight.track_inprogress():
                async with asyncio.timeout(left_ms / SECOND):
                    return await self._client.send_template(attempt.message)
        except TimeoutError:
            return Unknown(reason="timeout")
        except Exception:
            # A client answers with outcomes; after anything else the request may have left.
            log.exception("send_failed", **_log_fields(attempt))
            return Unknown(reason="client_error")

    async def _record(self, result: AttemptResult) -> None:
        """Step 3. If the ledger refuses for long, the attempt stays `sending` and becomes unknown."""
        for number in range(1, _RECORD_TRIES + 1):
            try:
                await self._results.submit(result)
            except Exception:
                log.exception("result_not_recorded", reminder_id=result.key[0], attempt=result.number, tried=number)
                await asyncio.sleep(self._record_backoff_ms * 2**number / SECOND)
            else:
                return


def _span_of(attempt: Attempt[M], outcome: Outcome, start: Millis, end: Millis) -> TraceSpan:
    reminder_id, medium = attempt.key
    attributes: dict[str, str | int | None] = {
        "reminder_id": reminder_id,
        "medium": medium,
        "attempt": attempt.number,
        "outcome": type(outcome).__name__.lower(),
        "reason": getattr(outcome, "reason", None),
    }
    return TraceSpan(name="attempt", traceparent=attempt.traceparent, start=start, end=end, attributes=attributes)


def _log_fields(attempt: Attempt[M]) -> dict[str, object]:
    return {"reminder_id": attempt.key[0], "attempt": attempt.number, **log_fields(attempt.traceparent)}
