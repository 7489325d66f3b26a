"""Keeps our side of the 1MSG channel in order while deliver runs: channel and templates checked, webhook registered."""

import asyncio
import contextlib

import structlog
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError

from consumer.clock import MINUTE, Millis
from consumer.config.sections.service import WEBHOOK_PATH
from consumer.deliver.channel.sending_state import SendingProblem, problem_of_call, problem_of_status
from consumer.deliver.channel.template_watcher import TemplateWatcher
from consumer.onemsg.client import OneMsgClient, OneMsgError
from consumer.onemsg.webhook import registration
from consumer.waiting import wait_for_event
from consumer.web.health import Health

_RECHECK_MS: Millis = MINUTE
_log = structlog.get_logger()


class ChannelMaintenance:
    """Checks every `interval_ms`; again within a minute while something is not in order.

    `public_url` and `secret` make the webhook's address; without both, none is registered.
    """

    def __init__(
        self,
        client: OneMsgClient,
        template_watcher: TemplateWatcher,
        health: Health,
        *,
        public_url: str | None,
        secret: SecretStr | None,
        interval_ms: Millis,
    ) -> None:
        self._client = client
        self._template_watcher = template_watcher
        self._interval_ms = interval_ms
        self._prefix = public_url and public_url.rstrip("/") + WEBHOOK_PATH
        self._secret = secret
        self._templates_checked = asyncio.Event()
        self.problem: SendingProblem | None = None
        """What 1MSG said against sending when it was asked last."""
        silence = 2 * interval_ms + 30 * MINUTE  # a slow channel is no reason to call the process dead
        self._templates = health.register("templates", stale_after_ms=silence, dead_after_ms=silence)
        registers = self._prefix and self._secret
        self._webhook = health.register("webhook", stale_after_ms=silence, dead_after_ms=silence) if registers else None

    async def run(self, ended: asyncio.Event) -> None:
        """Run until told to end."""
        for part in filter(None, (self._templates, self._webhook)):
            part.ok("1MSG was not asked yet")  # ready: nothing speaks against serving meanwhile
        await asyncio.gather(self._check_templates(ended), self._keep_webhook(ended))

    async def first_check_done(self, ended: asyncio.Event) -> None:
        """Return once 1MSG was asked about the templates, whatever it answered, or when told to end."""
        waits = [asyncio.create_task(event.wait()) for event in (self._templates_checked, ended)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()

    async def _check_templates(self, ended: asyncio.Event) -> None:
        while not ended.is_set():
            with contextlib.suppress(SQLAlchemyError):  # other parts report it; the next check wakes the rows
                await self._template_watcher.check()
            self.problem = await self._find_problem()
            self._templates_checked.set()
            watcher = self._template_watcher
            (self._templates.ok if watcher.in_order else self._templates.impaired)(watcher.detail)
            await wait_for_event(ended, self._pause(in_order=not (watcher.recheck_soon or self.problem)))

    async def _find_problem(self) -> SendingProblem | None:
        """Return what 1MSG says against sending: of the token, the channel, or the way to it."""
        if self._template_watcher.last_error is not None:
            return problem_of_call(self._template_watcher.last_error)
        try:
            return problem_of_status(await self._client.status())
        except OneMsgError as error:
            return problem_of_call(error)

    async def _keep_webhook(self, ended: asyncio.Event) -> None:
        last_detail = None
        while self._webhook and not ended.is_set():
            in_order, detail = await self._register()
            if detail != last_detail:
                (_log.info if in_order else _log.error)("webhook_registration", result=detail)
            last_detail = detail
            (self._webhook.ok if in_order else self._webhook.impaired)(detail)
            await wait_for_event(ended, self._pause(in_order=in_order))
        await ended.wait()

    def _pause(self, *, in_order: bool) -> Millis:
        return self._interval_ms if in_order else min(_RECHECK_MS, self._interval_ms)

    async def _register(self) -> tuple[bool, str]:
        """Return whether 1MSG posts statuses to us, and a sentence about it."""
        assert self._prefix is not None
        assert self._secret is not None
        try:
            registered = await registration.register(
                self._client, self._prefix + self._secret.get_secret_value(), former=self._prefix
            )
        except OneMsgError as problem:
            return False, f"not registered: {problem}"
        if isinstance(registered, registration.RegistrationRefused):
            return False, f"not registered: {registered.reason}: {registered.advice}"
        if not registered.reports_on:
            return False, "registered, but 1MSG does not switch its statuses on: set ackNotificationsOn for the channel"
        return True, f"registered; others on the list: {registered.others}"
