"""The checks of 1MSG: the channel, the templates and the webhook."""

from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from consumer.commands.terminal.output import CheckResult
from consumer.config.sections.onemsg import OneMsgSettings
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.service import WEBHOOK_PATH, WebSettings
from consumer.deliver.channel import template_status
from consumer.deliver.policy.message_plan import message_plans
from consumer.onemsg.api_errors import ADVICE
from consumer.onemsg.client import OneMsgClient, OneMsgError
from consumer.onemsg.http import lenient_json as lenient
from consumer.onemsg.templates.listing import Template
from consumer.onemsg.templates.preflight import MARKETING, RequiredTemplate, find_template, preflight
from consumer.onemsg.webhook.registration import Destinations


async def check_connection(channel: OneMsgClient) -> list[CheckResult]:
    """Check that 1MSG accepts the token, and that the channel is connected to WhatsApp."""
    try:
        found = await channel.status()
    except OneMsgError as problem:
        return [_failed("1MSG", problem)]
    token = CheckResult(True, "1MSG: accepts the token for this channel")
    if found.connected:
        return [token, CheckResult(True, "1MSG channel: connected")]
    advice = "nothing can be sent until it is connected: check it in 1MSG"
    return [token, CheckResult(False, f"1MSG channel is {found.status}", advice)]


async def check_templates(channel: OneMsgClient, wanted: Sequence[RequiredTemplate]) -> list[CheckResult]:
    """Check that each of these templates can be sent."""
    try:
        there = (await channel.templates()).templates
    except OneMsgError as problem:
        return [_failed("templates", problem)]
    return [line for each in wanted for line in _template(there, each)]


def required_templates(section: OneMsgSettings, processes: Mapping[str, ProcessSettings]) -> list[RequiredTemplate]:
    """Return every template that a process sends, each once."""
    return template_status.required_templates(message_plans(processes, section.template), section.ttl)


def _template(there: Sequence[Template], wanted: RequiredTemplate) -> list[CheckResult]:
    problems, found = preflight(there, wanted), find_template(there, wanted)
    lines = [
        CheckResult(not problem.blocks, problem.text, problem.advice)
        for problem in problems
        if problem.reason != MARKETING
    ]
    if all(line.ok for line in lines):
        category = (found and found.category) or "category unknown, treated as MARKETING"
        what = f"template {wanted.name} ({wanted.language}): approved, with the two variables, {category}"
        lines.insert(0, CheckResult(True, what, "".join(p.advice for p in problems if p.reason == MARKETING)))
    return lines


def check_secret(given: SecretStr | None) -> CheckResult:
    """Check that the webhook's secret is set and long enough."""
    if given is None:
        return CheckResult(True, "webhook: none, because web.webhook_secret is not set; statuses are polled from 1MSG")
    return CheckResult(True, "webhook: its secret is set")


async def check_webhook(channel: OneMsgClient, web: WebSettings, secret: SecretStr) -> list[CheckResult]:
    """Check that 1MSG calls our webhook, and reports statuses."""
    try:
        there = await channel.webhook()
        reports_on = lenient.boolean((await channel.settings()).get("ackNotificationsOn"))
    except OneMsgError as problem:
        return [_failed("webhook", problem)]
    end = WEBHOOK_PATH + secret.get_secret_value()
    ours = [url for url in there.urls if url.rstrip("/").endswith(end)]
    if web.public_url:
        ours = [url for url in ours if url.rstrip("/") == web.public_url.rstrip("/") + end]
    registers_itself = bool(web.register_webhook and web.public_url)
    if registers_itself and not (ours and reports_on and not there.is_disabled(ours[0])):
        return [CheckResult(True, "webhook: will be registered with 1MSG at the start")]
    return [_registration(there, ours, web), _status_reports(reports_on)]


def _registration(there: Destinations, ours: Sequence[str], web: WebSettings) -> CheckResult:
    if not ours:
        address = f"{(web.public_url or 'https://<your address>').rstrip('/')}{WEBHOOK_PATH}<secret>"
        return CheckResult(
            False,
            "webhook: 1MSG does not call this service",
            f"register {address} at 1MSG, or set web.register_webhook and web.public_url",
        )
    if there.is_disabled(ours[0]):
        return CheckResult(
            False,
            "webhook: 1MSG has disabled it after failed calls",
            "write the whole list of webhooks again, or set web.register_webhook and web.public_url",
        )
    return CheckResult(
        True, f"webhook: 1MSG calls this service; other webhooks on the list: {len(there.urls) - len(ours)}"
    )


def _status_reports(reports_on: bool | None) -> CheckResult:
    if reports_on:
        return CheckResult(True, "webhook: 1MSG reports statuses (ackNotificationsOn)")
    return CheckResult(False, "webhook: 1MSG reports no statuses", "set ackNotificationsOn to true for the channel")


def _failed(what: str, problem: OneMsgError) -> CheckResult:
    return CheckResult(False, what, f"{problem}; {ADVICE[problem.kind]}")
