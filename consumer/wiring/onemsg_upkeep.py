"""What is looked after on 1MSG's side while deliver runs: our templates, and our webhook among the channel's."""

import asyncio
import contextlib

import structlog
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from consumer.clock import MINUTE, SECOND, Millis
from consumer.deliver.channel.template_watcher import TemplateWatcher
from consumer.onemsg.client import OneMsgClient, OneMsgError
from consumer.onemsg.webhook import registration
from consumer.web.health import Health

WEBHOOK = "/webhooks/1msg/"
_SOON = MINUTE
_log = structlog.get_logger()


class OneMsgUpkeep:
    """Looks every `every` milliseconds; again within a minute where something is not as it should be.

    `public_url` and `secret` make the webhook's address; without both, nothing is registered.
    """

    def __init__(
        self,
        channel: OneMsgClient,
        watch: TemplateWatcher,
        health: Health,
        *,
        public_url: str | None,
        secret: SecretStr | None,
        every: Millis,
    ) -> None:
        self._channel = channel
        self._watch = watch
        self._every = every
        self._prefix = public_url and public_url.rstrip("/") + WEBHOOK
        self._secret = secret
        self._looked = asyncio.Event()
        patience = 2 * every + 30 * MINUTE  # a channel that answers slowly is no reason to call us dead
        self._templates = health.register("templates", stale_after=patience, dead_after=patience)
        self._webhook = (
            health.register("webhook", stale_after=patience, dead_after=patience) if self._registers else None
        )

    @property
    def _registers(self) -> bool:
        return bool(self._prefix and self._secret)

    async def run(self, ended: asyncio.Event) -> None:
        """Until told to end."""
        for part in filter(None, (self._templates, self._webhook)):
            part.ok("1MSG was not asked yet")  # which is no reason to be taken out either
        await asyncio.gather(self._look_at_templates(ended), self._look_at_webhook(ended))

    async def first_check_done(self, ended: asyncio.Event) -> None:
        """Returns once 1MSG was asked about the templates, whatever it answered."""
        either = [asyncio.create_task(event.wait()) for event in (self._looked, ended)]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        for task in either:
            task.cancel()

    async def _look_at_templates(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            with contextlib.suppress(SQLAlchemyError):  # the ledger's other users say so; the next look wakes the rows
                await self._watch.check()
            self._looked.set()
            self._templates.ok(self._watch.detail)
            await _either(ended, min(_SOON, self._every) if self._watch.recheck_soon else self._every)

    async def _look_at_webhook(self, ended: asyncio.Event) -> None:
        said = None
        while self._webhook and not ended.is_set():
            fine, detail = await self._register()
            if detail != said:
                (_log.info if fine else _log.error)("webhook_registration", result=detail)
            said = detail
            self._webhook.ok(detail)
            await _either(ended, self._every if fine else min(_SOON, self._every))
        await ended.wait()

    async def _register(self) -> tuple[bool, str]:
        """Whether 1MSG calls us and tells us statuses, and what to say about it."""
        assert self._prefix is not None
        assert self._secret is not None
        try:
            told = await registration.register(
                self._channel, self._prefix + self._secret.get_secret_value(), former=self._prefix
            )
        except OneMsgError as problem:
            return False, f"not registered: {problem}"
        if isinstance(told, registration.RegistrationRefused):
            return False, f"not registered: {told.reason}: {told.advice}"
        if not told.reports_on:
            return False, "registered, but 1MSG does not switch its statuses on: set ackNotificationsOn for the channel"
        return True, f"registered; others on the list: {told.others}"


async def _either(event: asyncio.Event, span: Millis) -> None:
    """Until `event` is set or so much time has passed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(span / SECOND):
            await event.wait()
