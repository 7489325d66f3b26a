"""Webhook bodies: stored first, then answered, then applied.

`submit` returns when a body is durable, whatever it contains; one task applies its contents soon after. A crash in
between leaves stored bodies, which `step` applies at the next start. Everything is idempotent, since 1MSG repeats,
reorders and mixes (docs/1msg.md#order-and-repeats).

Echoes, our own messages seen from outside, settle an unknown attempt where exactly one fits: see `reconciliation`.
"""

import asyncio
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields

import structlog

from consumer.clock import SECOND, Millis, Now
from consumer.deliver.group_commit import GroupCommit
from consumer.deliver.isolation import take_fewer
from consumer.deliver.lifecycle import StatusSource
from consumer.deliver.policy.opt_out_requests import OptOutRequest, OptOutRequests
from consumer.deliver.policy.retries import RetryPolicy
from consumer.deliver.recipients.identity import KnownPhones, Mention
from consumer.deliver.recipients.opt_outs import hold_phone, opt_in_phone, opt_out_phone
from consumer.deliver.tracking.kept_words import keep_words, mention_of
from consumer.deliver.tracking.reconciliation import ReceivedEcho, record_echoes
from consumer.deliver.tracking.status_reports import ReceivedReport, apply_reports, park_reports
from consumer.deliver.unit_of_work import UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.queries.inbox import Body
from consumer.ledger.queries.whatsapp_ids import UnattributedRequest
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.webhook import parser
from consumer.onemsg.webhook.notifications import Inbound, NamedPerson
from consumer.records import WHATSAPP

_BATCH = 100
"""Bodies applied in one transaction. A caller of `submit` waits for one such transaction at most."""
_REQUESTS = frozenset(map(str, OptOutRequest))
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Wish:
    """Somebody wants no more messages, or wants them again, since that moment."""

    by: Mention
    request: OptOutRequest
    reason: str
    at: Millis


@dataclass(slots=True)
class _Contents:
    """What several bodies contain, together."""

    reports: list[ReceivedReport] = field(default_factory=list)
    echoes: list[ReceivedEcho] = field(default_factory=list)
    wishes: list[_Wish] = field(default_factory=list)
    inbound: list[Inbound] = field(default_factory=list)
    unclear: list[tuple[Inbound, Millis]] = field(default_factory=list)
    """Likely opt-outs: the only chats that are kept, since somebody has to read them."""
    people: list[NamedPerson] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)


class WebhookInbox:
    """Takes bodies from the webhook.

    `linger_ms`: how long to wait for further bodies before storing some, and four times as long before applying them,
    since a transaction with ten of them costs about as much as with one.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        retry_policy: RetryPolicy,
        metrics: DeliverMetrics,
        now: Now,
        opt_out_words: Iterable[str] | None = None,
        linger_ms: Millis = 0,
    ) -> None:
        self._ledger = ledger
        self._retry_policy = retry_policy
        self._metrics = metrics
        self._now = now
        self._opt_out_requests = OptOutRequests(opt_out_words)
        self._store_group = GroupCommit(self._store, linger_ms=linger_ms)
        self._linger_ms = linger_ms
        self._applying: asyncio.Task[None] | None = None
        self._has_more = False
        self._one_at_a_time = threading.Lock()
        """`step` is called by whoever stored a body, and from time to time."""
        self._in_hand: list[int] = []
        """The bodies that are being applied."""

    async def submit(self, body: bytes) -> None:
        """Return once the body is durable; raise if it could not be stored. It is applied soon after."""
        await self._store_group.submit(body)
        self._has_more = True
        if self._applying is None or self._applying.done():
            self._applying = asyncio.create_task(self._apply_all())

    async def step(self) -> int:
        """Apply every stored body. Returns how many; raises what the ledger raises."""
        applied, has_more = 0, True
        while has_more:
            done, has_more = await asyncio.to_thread(self._apply_batch)
            applied += done
        return applied

    async def idle(self) -> None:
        """Return when what was submitted so far has been applied, or has failed to apply (see the log)."""
        if self._applying is not None:
            await self._applying

    async def _apply_all(self) -> None:
        try:
            while self._has_more:  # a body may have been stored while others were applied
                await asyncio.sleep(4 * self._linger_ms / SECOND)
                self._has_more = False
                await self.step()
        except Exception:  # they stay stored, and the next body or start applies them
            log.exception("webhook_bodies_not_applied")

    def _store(self, bodies: Sequence[bytes]) -> None:
        with self._ledger.transaction(urgent=True) as connection:  # 1MSG waits for it
            queries.inbox.store_bodies(connection, bodies, self._now())
        self._metrics.last_webhook.set(self._now() / SECOND)

    def _apply_batch(self) -> tuple[int, bool]:
        with self._one_at_a_time:
            return take_fewer(self._apply_some, _BATCH, self._keep_only)

    def _apply_some(self, limit: int) -> tuple[int, bool]:
        """Apply the oldest bodies, and return how many there were, and whether there may be more.

        They are read before the transaction begins: in SQLite nobody else can write during it.
        """
        with self._ledger.reading() as connection:
            bodies = queries.inbox.unapplied_bodies(connection, limit)
        self._in_hand = [body.id for body in bodies]
        read = {body.id: self._read(body) for body in bodies}
        if not read:
            return 0, False
        with unit_of_work(self._ledger, self._metrics, self._now()) as work:
            locked = queries.inbox.lock_unapplied_bodies(work.connection, bodies)
            self._apply(work, _together(read[body_id] for body_id in locked))
        return len(locked), len(locked) == limit

    def _keep_only(self, error: Exception) -> tuple[int, bool] | None:
        """Keep the body that cannot be applied, for people to look at; None if it is one of several."""
        if len(self._in_hand) != 1:
            return None
        [body_id] = self._in_hand
        log.error("webhook_body_not_applied", body_id=body_id, error=type(error).__name__)
        with self._ledger.transaction() as connection:
            queries.inbox.mark_body_kept(connection, body_id, "not_applied")
        return 1, True

    def _apply(self, work: UnitOfWork, contents: _Contents) -> None:
        if _may_wake(work, contents):
            queries.replicas.lock_facts_exclusive(work.connection)
        unmatched = apply_reports(work, contents.reports, self._retry_policy)
        park_reports(work, unmatched)
        phones = KnownPhones(work, _mentions(contents))
        record_echoes(work, contents.echoes, phones, self._retry_policy)
        for wish in _latest([*_kept_wishes(work, phones), *contents.wishes]):
            _apply_wish(work, wish, phones)
        keep_words(work, contents.unclear, phones)
        queries.inbox.delete_bodies(work.connection, contents.read)
        for body_id in contents.unreadable:
            queries.inbox.mark_body_kept(work.connection, body_id, "unreadable")

    def _read(self, body: Body) -> _Contents:
        """Return what a body contains. An unreadable one is kept as it is and does not stop the others."""
        contents = _Contents()
        try:
            parsed = parser.parse_webhook(body.body)
        except Exception as error:
            expected = isinstance(error, parser.UnreadableBody)
            log.warning("webhook_body_unreadable", body_id=body.id, size=len(body.body), exc_info=not expected)
            contents.unreadable.append(body.id)
            return contents
        received_at = body.received_at
        contents.reports += [ReceivedReport(report, StatusSource.WEBHOOK, received_at) for report in parsed.statuses]
        contents.echoes += [ReceivedEcho(echo, StatusSource.ECHO, received_at) for echo in parsed.echoes]
        contents.people += parsed.people
        contents.inbound += parsed.inbound
        for preference in parsed.preferences:
            request = OptOutRequest.START if preference.wanted else OptOutRequest.STOP
            by = Mention(phone=preference.sender, whatsapp_id=preference.whatsapp_id)
            contents.wishes.append(_Wish(by, request, "stopped_in_whatsapp", _not_later(preference.at, received_at)))
        for message in parsed.inbound:
            request = self._opt_out_requests.read(*message.texts)
            if request is OptOutRequest.LIKELY_STOP:
                contents.unclear.append((message, received_at))
            if request is not OptOutRequest.NOTHING:
                at = _not_later(message.at, received_at)
                contents.wishes.append(_Wish(mention_of(message), request, "asked_to_stop", at))
        contents.read.append(body.id)
        return contents


def _together(parts: Iterable[_Contents]) -> _Contents:
    whole = _Contents()
    for part in parts:
        for each in fields(part):
            getattr(whole, each.name).extend(getattr(part, each.name))
    return whole


def _mentions(contents: _Contents) -> Iterator[Mention]:
    """Yield everybody whom the bodies mention, as they name them."""
    for report in (received.report for received in contents.reports):
        yield Mention(phone=report.recipient, whatsapp_id=report.whatsapp_id, our_message_id=report.message_id)
    yield from (each.mention for each in contents.echoes)
    yield from (wish.by for wish in contents.wishes)
    yield from map(mention_of, contents.inbound)
    yield from (Mention(phone=person.phone, whatsapp_id=person.whatsapp_id) for person in contents.people)


def _may_wake(work: UnitOfWork, contents: _Contents) -> bool:
    """Return whether somebody asks to be written to again: what was held for them is checked anew."""
    if any(wish.request is OptOutRequest.START for wish in contents.wishes):
        return True
    ids = {hashed for each in _mentions(contents) if (hashed := each.id_hash(work.hash_key))}
    return queries.whatsapp_ids.any_request(work.connection, ids, OptOutRequest.START.value)


def _kept_wishes(work: UnitOfWork, phones: KnownPhones) -> Iterator[_Wish]:
    """Yield what was asked under ids of which a phone is known now."""
    for kept in queries.whatsapp_ids.pop_requests(work.connection, phones.learned):
        # What another version of Lapse kept and this one does not know may have been a stop.
        request = OptOutRequest(kept.request) if kept.request in _REQUESTS else OptOutRequest.LIKELY_STOP
        yield _Wish(Mention(hashed_id=kept.id_hash), request, kept.reason, kept.at)


def _latest(wishes: Iterable[_Wish]) -> list[_Wish]:
    """Return the last of each person's equal wishes, in the order of time: those before it change nothing."""
    last = {(wish.by, wish.request): wish for wish in sorted(wishes, key=lambda wish: wish.at)}
    return sorted(last.values(), key=lambda wish: wish.at)


def _apply_wish(work: UnitOfWork, wish: _Wish, phones: KnownPhones) -> None:
    known = phones.of(wish.by)
    if not phones.shown(wish.by):
        _keep_wish(work, wish)
    if wish.request is OptOutRequest.START:  # a person stops wherever they may be, and is written to again only here
        known = phones.certain(wish.by)
    for hashed in sorted(known):
        match wish.request:
            case OptOutRequest.STOP:
                opt_out_phone(work, hashed, WHATSAPP, wish.reason, wish.at)
            case OptOutRequest.START:
                opt_in_phone(work, hashed, WHATSAPP, wish.at)
            case OptOutRequest.LIKELY_STOP:
                hold_phone(work, hashed, wish.at)
                log.warning("opt_out_likely", advice="somebody may have asked to stop in other words: read the chat")
            case OptOutRequest.NOTHING:
                pass


def _keep_wish(work: UnitOfWork, wish: _Wish) -> None:
    """Keep what somebody asked whose phone is not known, until a report or a message names it."""
    hashed = wish.by.id_hash(work.hash_key)
    if hashed is not None:
        kept = UnattributedRequest(hashed, wish.request.value, wish.reason, wish.at)
        queries.whatsapp_ids.keep_request(work.connection, kept)
    log.warning("opt_out_of_unknown_person", request=wish.request.value, kept=hashed is not None)


def _not_later(at: Millis | None, received_at: Millis) -> Millis:
    """Return when it was said; what claims to come from the future could never be taken back."""
    return received_at if at is None else min(at, received_at)
