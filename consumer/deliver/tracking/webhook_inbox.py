"""Webhook bodies: stored first, answered then, applied after that.

`submit` returns when a body is durable, whatever is in it; what it says is applied by one task that follows behind.
A crash between leaves stored bodies, which `step` applies at the next start. Everything is idempotent, since 1MSG
repeats, reorders and mixes (contract §8.7).

Echoes, our own messages seen from outside, tell what became of an unknown attempt where exactly one fits: see `echoes`.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from consumer.clock import Millis, Now
from consumer.deliver.group_commit import GroupCommit
from consumer.deliver.lifecycle import StatusSource
from consumer.deliver.policy.retries import RetryPolicy
from consumer.deliver.recipients import opt_outs
from consumer.deliver.recipients.opt_out_words import OptOutWords
from consumer.deliver.tracking import reconciliation, status_reports
from consumer.deliver.tracking.message_matching import SeenMessage
from consumer.deliver.tracking.status_reports import ReceivedReport
from consumer.deliver.unit_of_work import UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.queries.inbox import Body
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.webhook import parser

_BATCH = 100
"""Bodies that are applied together. Whoever stores some waits for one such batch at most."""
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Stop:
    """Somebody (digits) wants no more, and since when."""

    phone: str
    reason: str
    at: Millis


@dataclass(slots=True)
class _Told:
    """What a few bodies say, together."""

    heard: list[ReceivedReport] = field(default_factory=list)
    seen: list[SeenMessage] = field(default_factory=list)
    stops: list[_Stop] = field(default_factory=list)
    inbound: list[dict[str, Any]] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)


class WebhookInbox:
    """Takes bodies from the webhook. `gather` seconds are waited for more, before they are stored and again before
    they are applied, since a transaction costs much the same with one in it as with ten."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        limits: RetryPolicy,
        metrics: DeliverMetrics,
        now: Now,
        opt_out_words: Iterable[str] = (),
        gather: float = 0.0,
    ) -> None:
        self._ledger = ledger
        self._limits = limits
        self._metrics = metrics
        self._now = now
        self._words = OptOutWords(opt_out_words)
        self._stored = GroupCommit(self._store, gather=gather)
        self._gather = gather
        self._applying: asyncio.Task[None] | None = None
        self._more = False

    async def submit(self, body: bytes) -> None:
        """Returns once the body is durable; raises if it could not be stored. It is applied soon after."""
        await self._stored.submit(body)
        self._more = True
        if self._applying is None or self._applying.done():
            self._applying = asyncio.create_task(self._apply_quietly())

    async def step(self) -> int:
        """Apply every body that is stored and was not applied. Returns how many; raises what the ledger raised."""
        applied, done = 0, _BATCH
        while done == _BATCH:
            done = await asyncio.to_thread(self._apply_some)
            applied += done
        return applied

    async def idle(self) -> None:
        """Returns when what was submitted so far has been applied (or could not be, which the log says)."""
        if self._applying is not None:
            await self._applying

    async def _apply_quietly(self) -> None:
        try:
            while self._more:  # (a body may have been stored just after the last look)
                await asyncio.sleep(4 * self._gather)
                self._more = False
                await self.step()
        except Exception:  # they are stored, and the next body or start takes them along
            log.exception("webhook_bodies_not_applied")

    def _store(self, bodies: Sequence[bytes]) -> None:
        with self._ledger.transaction(urgent=True) as connection:  # 1MSG waits for it
            queries.inbox.store_bodies(connection, bodies, self._now())

    def _apply_some(self) -> int:
        with unit_of_work(self._ledger, self._metrics, self._now()) as work:
            bodies = queries.inbox.lock_unapplied_bodies(work.connection, _BATCH)
            told = _Told()
            for body in bodies:
                _read(body, told)
            self._apply(work, told)
        return len(bodies)

    def _apply(self, work: UnitOfWork, told: _Told) -> None:
        strangers = status_reports.apply(work, told.heard, self._limits)
        status_reports.park(work, strangers)
        reconciliation.notice(work, [*told.seen, *reconciliation.reported(strangers)], self._limits)
        for stop in told.stops:
            opt_outs.keep_number(work, stop.phone, "whatsapp", stop.reason, stop.at)
        for message in told.inbound:
            sender = message["sender"]
            message["phone_hash"] = opt_outs.phone_hash(sender, work.hash_key) if sender else None
            if message["sender"] and self._words.said(message["body"]):
                at = message["received_at"] if message["at"] is None else message["at"]
                opt_outs.keep_number(work, message["sender"], "whatsapp", "asked_to_stop", at)
        queries.inbox.store_inbound(work.connection, told.inbound)
        queries.inbox.delete_bodies(work.connection, told.read)
        for body_id in told.unreadable:
            queries.inbox.mark_body_kept(work.connection, body_id, "unreadable")


def _read(body: Body, told: _Told) -> None:
    """Adds what a body says. One that cannot be read is kept as it is, and does not hold the others up."""
    try:
        said = parser.parse_webhook(body.body)
    except Exception as error:
        known = isinstance(error, parser.UnreadableBody)
        log.warning("webhook_body_unreadable", body_id=body.id, size=len(body.body), exc_info=not known)
        told.unreadable.append(body.id)
        return
    told.heard += [ReceivedReport(report, StatusSource.WEBHOOK, body.received_at) for report in said.statuses]
    told.seen += reconciliation.seen(said.echoes, StatusSource.ECHO, body.received_at)
    told.stops += [
        _Stop(each.sender, "stopped_in_whatsapp", body.received_at if each.at is None else each.at)
        for each in said.preferences
        if not each.wanted and each.sender is not None
    ]
    told.inbound += [
        {
            "message_id": message.message_id,
            "sender": message.sender,
            "at": message.at,
            "kind": message.kind,
            "body": message.body,
            "received_at": body.received_at,
        }
        for message in said.inbound
    ]
    told.read.append(body.id)
