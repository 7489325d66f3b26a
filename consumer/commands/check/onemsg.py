"""What `lapse check` tries on the side of 1MSG."""

from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from consumer.commands.terminal.output import CheckResult
from consumer.config.onemsg import OneMsgSettings
from consumer.config.processes import ProcessSettings
from consumer.config.service import WebSettings
from consumer.deliver.channel import template_status
from consumer.deliver.policy.message_plan import message_plans
from consumer.onemsg.api_errors import ApiErrorKind
from consumer.onemsg.client import OneMsgClient, OneMsgError
from consumer.onemsg.http import lenient_json as lenient
from consumer.onemsg.templates.listing import Template
from consumer.onemsg.templates.preflight import MARKETING, RequiredTemplate, find_template, preflight
from consumer.onemsg.webhook.registration import Destinations

WEBHOOK = "/webhooks/1msg/"
_SHORTEST_SECRET = 16

_ADVICE = {
    ApiErrorKind.CREDENTIAL: "onemsg.token must be the channel's current token, and onemsg.channel_id its channel",
    ApiErrorKind.BLOCKED: "the channel is on trial or its subscription is blocked: settle that with 1MSG",
    ApiErrorKind.NOT_FOUND: "are onemsg.base_url and onemsg.channel_id right?",
    ApiErrorKind.REFUSED: "1MSG says no",
    ApiErrorKind.UNAVAILABLE: "1MSG is not reached: is onemsg.base_url right, and may this machine call it?",
    ApiErrorKind.UNREADABLE: "that is no answer of 1MSG: is onemsg.base_url right?",
}


async def check_connection(channel: OneMsgClient) -> list[CheckResult]:
    """Does 1MSG take our token, and is the channel connected to WhatsApp?"""
    try:
        found = await channel.status()
    except OneMsgError as problem:
        return [_failed("1MSG", problem)]
    token = CheckResult(True, "1MSG: takes the token for this channel")
    if found.connected:
        return [token, CheckResult(True, "1MSG channel: connected")]
    advice = "nothing is sent until it is connected: look at it in 1MSG"
    return [token, CheckResult(False, f"1MSG channel is {found.status}", advice)]


async def check_templates(channel: OneMsgClient, wanted: Sequence[RequiredTemplate]) -> list[CheckResult]:
    """Can each of these templates be sent?"""
    try:
        there = (await channel.templates()).templates
    except OneMsgError as problem:
        return [_failed("templates", problem)]
    return [line for each in wanted for line in _template(there, each)]


def required_templates(section: OneMsgSettings, processes: Mapping[str, ProcessSettings]) -> list[RequiredTemplate]:
    """Every template that some process sends, each once."""
    return template_status.required_templates(message_plans(processes, section.template), section.ttl)


def _template(there: Sequence[Template], wanted: RequiredTemplate) -> list[CheckResult]:
    problems, found = preflight(there, wanted), find_template(there, wanted)
    lines = [
        CheckResult(not problem.blocks, problem.text, problem.advice)
        for problem in problems
        if problem.reason != MARKETING
    ]
    if all(line.ok for line in lines):
        category = (found and found.category) or "no category told, so taken for MARKETING"
        what = f"template {wanted.name} ({wanted.language}): approved, with the two variables, {category}"
        lines.insert(0, CheckResult(True, what, "".join(p.advice for p in problems if p.reason == MARKETING)))
    return lines


def secret(given: SecretStr | None) -> CheckResult:
    """Is there one, and could nobody guess it?"""
    if given is None:
        return CheckResult(
            True, "webhook: none, as web.webhook_secret is not set; 1MSG is asked what became of messages"
        )
    if len(given.get_secret_value()) < _SHORTEST_SECRET:
        return CheckResult(
            False, "web.webhook_secret is short", f"take at least {_SHORTEST_SECRET} characters at random"
        )
    return CheckResult(True, "webhook: has its secret")


async def check_webhook(channel: OneMsgClient, web: WebSettings, secret: SecretStr) -> list[CheckResult]:
    """Does 1MSG call our webhook, and with statuses?"""
    try:
        there = await channel.webhook()
        told = lenient.boolean((await channel.settings()).get("ackNotificationsOn"))
    except OneMsgError as problem:
        return [_failed("webhook", problem)]
    end = WEBHOOK + secret.get_secret_value()
    ours = [url for url in there.urls if url.rstrip("/").endswith(end)]
    if web.public_url:
        ours = [url for url in ours if url.rstrip("/") == web.public_url.rstrip("/") + end]
    by_itself = bool(web.register_webhook and web.public_url)
    if by_itself and not (ours and told and not there.is_disabled(ours[0])):
        return [CheckResult(True, "webhook: will be registered with 1MSG at the start")]
    return [_called(there, ours, web), _told(told)]


def _called(there: Destinations, ours: Sequence[str], web: WebSettings) -> CheckResult:
    if not ours:
        address = f"{(web.public_url or 'https://<our address>').rstrip('/')}{WEBHOOK}<secret>"
        return CheckResult(
            False,
            "webhook: 1MSG does not call us",
            f"register {address} there, or set web.register_webhook and public_url",
        )
    if there.is_disabled(ours[0]):
        return CheckResult(
            False,
            "webhook: 1MSG has disabled it after calls that failed",
            "post the whole list of webhooks again, or set web.register_webhook and public_url",
        )
    return CheckResult(True, f"webhook: 1MSG calls us; others on the list: {len(there.urls) - len(ours)}")


def _told(statuses: bool | None) -> CheckResult:
    if statuses:
        return CheckResult(True, "webhook: 1MSG reports statuses (ackNotificationsOn)")
    return CheckResult(False, "webhook: 1MSG reports no statuses", "switch ackNotificationsOn on for the channel")


def _failed(what: str, problem: OneMsgError) -> CheckResult:
    return CheckResult(False, what, f"{problem}; {_ADVICE[problem.kind]}")
