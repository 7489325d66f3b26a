"""What `lapse check` tries on the side of 1MSG."""

from collections.abc import Mapping, Sequence

from pydantic import SecretStr

from consumer.commands.terminal.output import Line
from consumer.config.onemsg import OneMsgSettings
from consumer.config.processes import ProcessSettings
from consumer.config.service import WEBHOOK_PATH, WebSettings
from consumer.deliver.channel import template_status
from consumer.deliver.policy.message_plan import message_plans
from consumer.onemsg.api_errors import ApiErrorKind
from consumer.onemsg.client import OneMsgClient, OneMsgError
from consumer.onemsg.http import lenient_json as lenient
from consumer.onemsg.templates.listing import Template
from consumer.onemsg.templates.preflight import MARKETING, RequiredTemplate, find, preflight
from consumer.onemsg.webhook.registration import Destinations

_ADVICE = {
    ApiErrorKind.CREDENTIAL: "onemsg.token must be the channel's current token, and onemsg.channel_id its channel",
    ApiErrorKind.BLOCKED: "the channel is on trial or its subscription is blocked: settle that with 1MSG",
    ApiErrorKind.NOT_FOUND: "are onemsg.base_url and onemsg.channel_id right?",
    ApiErrorKind.REFUSED: "1MSG says no",
    ApiErrorKind.UNAVAILABLE: "1MSG is not reached: is onemsg.base_url right, and may this machine call it?",
    ApiErrorKind.UNREADABLE: "that is no answer of 1MSG: is onemsg.base_url right?",
}


async def connected(channel: OneMsgClient) -> list[Line]:
    """Does 1MSG take our token, and is the channel connected to WhatsApp?"""
    try:
        found = await channel.status()
    except OneMsgError as problem:
        return [_failed("1MSG", problem)]
    token = Line(True, "1MSG: takes the token for this channel")
    if found.connected:
        return [token, Line(True, "1MSG channel: connected")]
    advice = "nothing is sent until it is connected: look at it in 1MSG"
    return [token, Line(False, f"1MSG channel is {found.status}", advice)]


async def templates(channel: OneMsgClient, wanted: Sequence[RequiredTemplate]) -> list[Line]:
    """Can each of these templates be sent?"""
    try:
        there = (await channel.templates()).templates
    except OneMsgError as problem:
        return [_failed("templates", problem)]
    return [line for each in wanted for line in _template(there, each)]


def wanted_by(section: OneMsgSettings, processes: Mapping[str, ProcessSettings]) -> list[RequiredTemplate]:
    """Every template that some process sends, each once."""
    return template_status.required_templates(message_plans(processes, section.template), section.ttl)


def _template(there: Sequence[Template], wanted: RequiredTemplate) -> list[Line]:
    problems, found = preflight(there, wanted), find(there, wanted)
    lines = [
        Line(not problem.blocks, problem.text, problem.advice) for problem in problems if problem.reason != MARKETING
    ]
    if all(line.ok for line in lines):
        category = (found and found.category) or "no category told, so taken for MARKETING"
        what = f"template {wanted.name} ({wanted.language}): approved, with the two variables, {category}"
        lines.insert(0, Line(True, what, "".join(p.advice for p in problems if p.reason == MARKETING)))
    return lines


def secret(given: SecretStr | None) -> Line:
    """Is there one, and could nobody guess it?"""
    if given is None:
        return Line(True, "webhook: none, as web.webhook_secret is not set; 1MSG is asked what became of messages")
    return Line(True, "webhook: has its secret")


async def webhook(channel: OneMsgClient, web: WebSettings, secret: SecretStr) -> list[Line]:
    """Does 1MSG call our webhook, and with statuses?"""
    try:
        there = await channel.webhook()
        told = lenient.truth((await channel.settings()).get("ackNotificationsOn"))
    except OneMsgError as problem:
        return [_failed("webhook", problem)]
    end = WEBHOOK_PATH + secret.get_secret_value()
    ours = [url for url in there.urls if url.rstrip("/").endswith(end)]
    if web.public_url:
        ours = [url for url in ours if url.rstrip("/") == web.public_url.rstrip("/") + end]
    by_itself = bool(web.register_webhook and web.public_url)
    if by_itself and not (ours and told and not there.is_disabled(ours[0])):
        return [Line(True, "webhook: will be registered with 1MSG at the start")]
    return [_called(there, ours, web), _told(told)]


def _called(there: Destinations, ours: Sequence[str], web: WebSettings) -> Line:
    if not ours:
        address = f"{(web.public_url or 'https://<our address>').rstrip('/')}{WEBHOOK_PATH}<secret>"
        return Line(
            False,
            "webhook: 1MSG does not call us",
            f"register {address} there, or set web.register_webhook and public_url",
        )
    if there.is_disabled(ours[0]):
        return Line(
            False,
            "webhook: 1MSG has disabled it after calls that failed",
            "post the whole list of webhooks again, or set web.register_webhook and public_url",
        )
    return Line(True, f"webhook: 1MSG calls us; others on the list: {len(there.urls) - len(ours)}")


def _told(statuses: bool | None) -> Line:
    if statuses:
        return Line(True, "webhook: 1MSG reports statuses (ackNotificationsOn)")
    return Line(False, "webhook: 1MSG reports no statuses", "switch ackNotificationsOn on for the channel")


def _failed(what: str, problem: OneMsgError) -> Line:
    return Line(False, what, f"{problem}; {_ADVICE[problem.trouble]}")
