"""Asks 1MSG for its list of templates, and wakes reminders that waited for a template once it can be sent again."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from consumer.deliver.channel.circuit_breaker import template_key
from consumer.deliver.channel.template_status import TemplateStatus, TemplateStatuses, status_after
from consumer.ledger import queries
from consumer.ledger.schema.rows import ChannelRow
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.api_errors import OneMsgError
from consumer.onemsg.templates.listing import TemplateListing
from consumer.onemsg.templates.preflight import RequiredTemplate

_WAKES = 2
"""A transaction that was under way when a template became usable may defer its row after the first wake."""

log = structlog.get_logger()


class TemplateLister(Protocol):
    """What the watcher needs of 1MSG."""

    async def templates(self) -> TemplateListing:
        """Return all templates. Raises OneMsgError."""
        ...


class TemplateWatcher:
    """Keeps `statuses` up to date, one `check` at a time. Each replica has its own; waking twice does no harm."""

    def __init__(
        self,
        client: TemplateLister,
        required: Sequence[RequiredTemplate],
        statuses: TemplateStatuses,
        *,
        ledger: Ledger,
        medium: str,
        metrics: DeliverMetrics,
    ) -> None:
        self._client = client
        self.required = tuple(required)
        self._statuses = statuses
        self._ledger = ledger
        self._medium = medium
        self._metrics = metrics
        self._wakes_left: dict[RequiredTemplate, int] = dict.fromkeys(self.required, _WAKES)
        """How often to wake the reminders of each template once it can be sent. At start all of them, since what was
        known before is lost."""
        self._recovered: set[RequiredTemplate] = set()
        """Templates that could not be sent and now can."""
        self.last_error: OneMsgError | None = None
        """Why the last list did not come."""

    @property
    def recheck_soon(self) -> bool:
        """Whether to check again soon."""
        return bool(self.last_error or self._wakes_left) or any(
            self._statuses.of(each).recheck_soon for each in self.required
        )

    @property
    def detail(self) -> str:
        """Every template's status in a few words, for people."""
        descriptions = [_describe(each, self._statuses.of(each)) for each in self.required]
        return "; ".join([*descriptions, *([f"not listed this time: {self.last_error}"] if self.last_error else [])])

    @property
    def in_order(self) -> bool:
        """Whether the last list came, and showed every template as it is needed."""
        statuses = [self._statuses.of(each) for each in self.required]
        return self.last_error is None and not any(status.problem or status.doubt for status in statuses)

    async def check(self) -> None:
        """Ask 1MSG once. A failed request changes no status. Raises what the ledger raises."""
        try:
            listing = await self._client.templates()
        except OneMsgError as problem:
            self.last_error = problem
            return
        self.last_error = None
        for each in self.required:
            self._update(each, self._statuses.of(each), status_after(self._statuses.of(each), listing, each))
        if any(self._statuses.of(each).usable for each in self._wakes_left):
            await asyncio.to_thread(self._wake)

    def _update(self, required: RequiredTemplate, before: TemplateStatus, status: TemplateStatus) -> None:
        self._statuses.put(required, status)
        labels = {"template": required.name, "language": required.language}
        if status.problem is not None and status.problem != before.problem:
            log.error("template_unusable", **labels, reason=status.problem.reason, advice=status.problem.advice)
            self._wakes_left[required] = _WAKES
        if before.problem is not None and status.usable:
            log.info("template_usable", **labels)
            self._recovered.add(required)
        if before.category is not None and status.category != before.category:
            log.warning("template_recategorised", **labels, before=before.category, now=status.category)
        self._metrics.template_usable.labels(required.name, required.language).set(status.usable)
        self._metrics.template_marketing.labels(required.name, required.language).set(status.marketing)

    def _wake(self) -> None:
        """Make due what waited for a template. A recovered template needs no probe: 1MSG says that it can be sent."""
        usable = {each for each in self._wakes_left if self._statuses.of(each).usable}
        with self._ledger.transaction() as connection:
            breakers = queries.channels.states(connection, self._medium, lock=True)
            for name in {template_key(self._medium, each.name, each.language) for each in self._recovered & usable}:
                if name in breakers and breakers[name].stopped_because is not None:
                    queries.channels.put_state(connection, ChannelRow(name))
            queries.reminders.wake_deferred(connection, "template_unusable", medium=self._medium)
        wakes_left = {each: wakes - (each in usable) for each, wakes in self._wakes_left.items()}
        self._wakes_left = {each: wakes for each, wakes in wakes_left.items() if wakes}
        self._recovered -= usable


def _describe(required: RequiredTemplate, status: TemplateStatus) -> str:
    problem = status.problem or status.doubt
    state = f"{problem.reason}: {problem.text}: {problem.advice}" if problem else status.category or "not listed yet"
    return f"{required.name} ({required.language}): {state}"
