"""Watches what 1MSG's list says of our templates, and wakes what waited for one that can be sent again."""

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
"""A decision that was under way in another transaction when a template became usable may put its row to sleep after
the first."""

log = structlog.get_logger()


class TemplateLister(Protocol):
    """What the watch needs of 1MSG."""

    async def templates(self) -> TemplateListing:
        """All templates. Raises OneMsgError."""
        ...


class TemplateWatcher:
    """Keeps `standings` up to date, a `check` at a time. Each replica has its own; waking twice does no harm."""

    def __init__(
        self,
        channel: TemplateLister,
        wanted: Sequence[RequiredTemplate],
        standings: TemplateStatuses,
        *,
        ledger: Ledger,
        medium: str,
        metrics: DeliverMetrics,
    ) -> None:
        self._channel = channel
        self._wanted = tuple(wanted)
        self._standings = standings
        self._ledger = ledger
        self._medium = medium
        self._metrics = metrics
        self._waking: dict[RequiredTemplate, int] = dict.fromkeys(self._wanted, _WAKES)
        """For these rows may be waiting, and are to be woken so often once they can be sent. At first for all, since
        nobody knows what was said before the start."""
        self._mended: set[RequiredTemplate] = set()
        """Those that could not be sent and can be now."""
        self._trouble: str | None = None

    @property
    def recheck_soon(self) -> bool:
        """Whether something may soon be otherwise."""
        return bool(self._trouble or self._waking) or any(
            self._standings.of(each).recheck_soon for each in self._wanted
        )

    @property
    def detail(self) -> str:
        """Every template in a word or two, for people."""
        said = [_in_words(each, self._standings.of(each)) for each in self._wanted]
        return "; ".join([*said, *filter(None, [self._trouble])])

    async def check(self) -> None:
        """Ask 1MSG once. An answer that cannot be had changes nothing. Raises what the ledger raises."""
        try:
            listing = await self._channel.templates()
        except OneMsgError as problem:
            self._could_not(str(problem))
            return
        self._trouble = None
        for each in self._wanted:
            self._learn(each, self._standings.of(each), status_after(self._standings.of(each), listing, each))
        if any(self._standings.of(each).usable for each in self._waking):
            await asyncio.to_thread(self._wake)

    def _could_not(self, why: str) -> None:
        if self._trouble is None:
            log.warning("templates_not_seen", reason=why)
        self._trouble = f"not seen this time: {why}"

    def _learn(self, wanted: RequiredTemplate, before: TemplateStatus, now: TemplateStatus) -> None:
        self._standings.put(wanted, now)
        about = {"template": wanted.name, "language": wanted.language}
        if now.problem is not None and now.problem != before.problem:
            log.error("template_unusable", **about, reason=now.problem.reason, advice=now.problem.advice)
            self._waking[wanted] = _WAKES
        if before.problem is not None and now.usable:
            log.info("template_usable", **about)
            self._mended.add(wanted)
        if before.category is not None and now.category != before.category:
            log.warning("template_recategorised", **about, before=before.category, now=now.category)
        self._metrics.template_usable.labels(wanted.name, wanted.language).set(now.usable)
        self._metrics.template_marketing.labels(wanted.name, wanted.language).set(now.marketing)

    def _wake(self) -> None:
        """What waited for a template is due. One that was mended is not probed first: 1MSG says that it can be sent."""
        usable = {each for each in self._waking if self._standings.of(each).usable}
        with self._ledger.transaction() as connection:
            states = queries.channels.states(connection, self._medium, lock=True)
            for name in {template_key(self._medium, each.name, each.language) for each in self._mended & usable}:
                if name in states and states[name].stopped_because is not None:
                    queries.channels.put_state(connection, ChannelRow(name))
            queries.reminders.wake_deferred(connection, "template_unusable", medium=self._medium)
        turns = {each: left - (each in usable) for each, left in self._waking.items()}
        self._waking = {each: left for each, left in turns.items() if left}
        self._mended -= usable


def _in_words(wanted: RequiredTemplate, standing: TemplateStatus) -> str:
    said = standing.problem.reason if standing.problem else standing.category or "not seen yet"
    return f"{wanted.name} ({wanted.language}): {said}"
