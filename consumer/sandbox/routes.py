"""Every page except `sendTemplate`: lists, hookInfo, webhooks, settings, status, and the sandbox's own pages.

Where docs/1msg.md has no answer on record, the sandbox gives one that a tolerant client must accept: the hookInfo of an
unknown id is an empty list, and `webhookStatuses` maps each URL to `active` or `disabled`.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumer.sandbox import responses
from consumer.sandbox.channel_state import Channel, Message, Now
from consumer.sandbox.recipients import from_phone
from consumer.sandbox.request_parsing import UnreadableBody, as_object, is_valid, presented_token
from consumer.sandbox.responses import Reply, json_reply
from consumer.sandbox.send_template import SendTemplate
from consumer.sandbox.webhooks.payloads import hook_info_item, message_list_item
from consumer.sandbox.webhooks.registration import RequestRefused, shown, shown_webhooks, updated, with_webhooks
from consumer.sandbox.webhooks.webhook_sender import WebhookSender

Answerer: TypeAlias = Callable[[Request, dict[str, Any]], Reply]
"""Takes the request and its body (empty for a GET). Raises RequestRefused."""


class Routes:
    """The pages of one channel; `webhook_hosts` may be called back, besides loopback addresses."""

    def __init__(
        self, channel: Channel, webhooks: WebhookSender, now: Now, sender: SendTemplate, webhook_hosts: Iterable[str]
    ) -> None:
        self._channel = channel
        self._webhooks = webhooks
        self._now = now
        self._sender = sender
        self._hosts = frozenset(webhook_hosts)

    def all(self) -> list[Route]:
        """Return every route, the most used one first."""
        guarded: list[tuple[str, str, Answerer]] = [
            ("templates", "GET", self.templates),
            ("messages", "GET", self.messages),
            ("hookInfo", "GET", self.hook_info),
            ("status", "GET", self.status),
            ("webhook", "GET", self.webhook),
            ("webhook", "POST", self.set_webhook),
            ("settings", "GET", self.settings),
            ("settings", "POST", self.set_settings),
        ]
        own: list[tuple[str, str, Answerer]] = [
            ("messages", "GET", self.sandbox_messages),
            ("stats", "GET", self.sandbox_stats),
            ("inbound", "POST", self.sandbox_inbound),
            ("templates", "POST", self.sandbox_templates),
            ("channel", "POST", self.sandbox_channel),
        ]
        guide = _guide(self._channel.id, guarded, own)
        return [
            Route("/", _open(lambda request, body: json_reply("sandbox", 200, guide))),
            Route("/{channel}/sendTemplate", self._sender, methods=["POST"]),
            *(Route(f"/_sandbox/{path}", _open(answer), methods=[method]) for path, method, answer in own),
            *(
                Route(f"/{{channel}}/{path}", self._guarded(answer), methods=[method])
                for path, method, answer in guarded
            ),
        ]

    def templates(self, request: Request, body: dict[str, Any]) -> Reply:
        """Answer `GET /templates` with `limit`, `offset` and `sort` (id, name or status)."""
        query = request.query_params
        sort = query.get("sort", "id")
        if sort not in ("id", "name", "status"):
            raise RequestRefused("sort must be id, name or status")
        found = sorted(self._channel.templates.values(), key=lambda template: str(getattr(template, sort)))
        offset, limit = _number(query, "offset", 0), _number(query, "limit", len(found))
        page = [template.listed(self._channel.namespace) for template in found[offset : offset + limit]]
        return json_reply("templates", 200, {"total": len(found), "templates": page})

    def messages(self, request: Request, body: dict[str, Any]) -> Reply:
        """Answer `GET /messages`.

        It takes `limit` (default 100; 0 means all), `last`, `lastMessageNumber`, `min_time` and `max_time` (seconds),
        `chatId` and `msgId`.
        """
        if not self._channel.history:
            return json_reply("messages", 200, {"notice": "Message history storage is off", "messages": []})
        query = request.query_params
        last = query.get("last") in ("true", "1")
        after = 0 if last else _number(query, "lastMessageNumber", 0)
        first, final = _number(query, "min_time", 0), _number(query, "max_time", 1 << 60)
        found = (
            message
            for message in self._candidates(query, newest_first=last)
            if message.number > after and first <= message.at // 1000 <= final
        )
        limit = _number(query, "limit", 100) or None
        return json_reply(
            "messages", 200, {"messages": [message_list_item(message) for message in islice(found, limit)]}
        )

    def _candidates(self, query: Mapping[str, str], *, newest_first: bool) -> Iterable[Message]:
        chat_id, message_id = query.get("chatId"), query.get("msgId")
        if message_id is None:
            return self._channel.messages.of(chat_id, newest_first=newest_first)
        message = self._channel.messages.get(message_id)
        return [message] if message and chat_id in (None, message.recipient.chat_id) else []

    def hook_info(self, request: Request, body: dict[str, Any]) -> Reply:
        message_id = request.query_params.get("messageId")
        if not message_id:
            raise RequestRefused("messageId is required")
        message = self._channel.messages.get(message_id)
        steps = message.reached(self._now()) if message else ()
        return json_reply("hooks", 200, {"hooks": [hook_info_item(message, step) for step in steps if message]})

    def status(self, request: Request, body: dict[str, Any]) -> Reply:
        return json_reply("status", 200, {"status": self._channel.status, "mm_lite_available": False})

    def webhook(self, request: Request, body: dict[str, Any]) -> Reply:
        urls = shown_webhooks(self._channel.settings)
        return json_reply("webhook", 200, {"webhookUrl": urls, "webhookStatuses": self._webhooks.statuses()})

    def set_webhook(self, request: Request, body: dict[str, Any]) -> Reply:
        """Replace the whole list, and enable webhooks that were disabled."""
        settings = with_webhooks(self._channel.settings, body.get("webhookUrl"), self._hosts)
        self._channel.settings = settings
        self._webhooks.follow_registration(enable=True)
        value = {"set": True, "message": ",".join(settings.webhooks), "webhookUrl": shown_webhooks(settings)}
        return json_reply("webhook", 200, value)

    def settings(self, request: Request, body: dict[str, Any]) -> Reply:
        return json_reply("settings", 200, shown(self._channel.settings))

    def set_settings(self, request: Request, body: dict[str, Any]) -> Reply:
        """Change settings; answer all of them, and those that changed under `update`.

        A disabled webhook stays disabled.
        """
        before = shown(self._channel.settings)
        self._channel.settings = updated(self._channel.settings, body, self._hosts)
        self._webhooks.follow_registration(enable=False)
        after = shown(self._channel.settings)
        changed = {name: value for name, value in after.items() if value != before[name]}
        return json_reply("settings", 200, after | {"update": changed})

    def register(self, urls: Sequence[str]) -> None:
        """Make these the only webhooks, and switch status callbacks on. Raises RequestRefused."""
        settings = with_webhooks(self._channel.settings, list(urls), self._hosts)
        self._channel.settings = replace(settings, acks=True)
        self._webhooks.follow_registration(enable=True)

    def sandbox_messages(self, request: Request, body: dict[str, Any]) -> Reply:
        """Answer the accepted messages, oldest first; with `limit` only the newest ones."""
        limit = _number(request.query_params, "limit", 0) or None
        return json_reply("sandbox", 200, self.accepted(limit))

    def accepted(self, limit: int | None = None) -> dict[str, Any]:
        """Return the value of `/_sandbox/messages`; `requests` counts all `sendTemplate` requests, answered or not."""
        rows = self._channel.sent(self._now(), limit=limit)
        return {"requests": self._channel.requests, "accepted": self._channel.accepted, "messages": rows}

    def sandbox_stats(self, request: Request, body: dict[str, Any]) -> Reply:
        """Answer how many requests, answers of each kind, messages and webhook calls there were."""
        return json_reply("sandbox", 200, self.stats())

    def stats(self) -> dict[str, Any]:
        """Return the value of `/_sandbox/stats`."""
        messages = self._channel.messages
        return {
            "requests": self._channel.requests,
            "accepted": self._channel.accepted,
            "answers": dict(self._channel.answers),
            "messages": {"kept": len(messages), "forgotten": messages.forgotten},
            "callbacks": {**self._webhooks.counts, "pending": self._webhooks.pending},
        }

    def sandbox_inbound(self, request: Request, body: dict[str, Any]) -> Reply:
        """Let `phone` write `body` to the channel; a tapped button has the `type` button."""
        sender, text = from_phone(body.get("phone")), body.get("body")
        kind = body.get("type", "chat")
        if sender is None or not isinstance(text, str) or kind not in ("chat", "button"):
            raise RequestRefused('give {"phone": "15551230000", "body": "STOP"}, and type chat or button if you like')
        message = self._sender.write_back(sender, text, kind)
        return json_reply("sandbox", 200, {"id": message.id, "chatId": message.recipient.chat_id})

    def sandbox_templates(self, request: Request, body: dict[str, Any]) -> Reply:
        """Change the template `name` as WhatsApp might, in all languages or in `language`.

        It takes another `status` (approved, PAUSED, …; "gone" removes the template), `category` or `body`.
        """
        name, language = body.get("name"), body.get("language")
        changes: dict[str, str] = {key: body[key] for key in ("status", "category", "body") if key in body}
        texts = [name, *changes.values(), *([] if language is None else [language])]
        if not changes or not all(isinstance(text, str) and text for text in texts):
            raise RequestRefused(
                'give {"name": "inactivity_reminder", "status": "PAUSED"}, or another category, or body'
            )
        return json_reply("sandbox", 200, {"changed": self._channel.change_template(str(name), language, changes)})

    def sandbox_channel(self, request: Request, body: dict[str, Any]) -> Reply:
        """Change the channel.

        It takes `blocked` (true, as when the subscription has ended: every send is answered with 403), `status` (what
        `GET /status` answers: connected, disconnected, …) and `namespace` (another one, for all templates).
        """
        now = {"blocked": self._channel.blocked, "status": self._channel.status, "namespace": self._channel.namespace}
        wanted: dict[str, Any] = now | body
        blocked, status, namespace = wanted["blocked"], wanted["status"], wanted["namespace"]
        fits = isinstance(blocked, bool) and all(isinstance(text, str) and text for text in (status, namespace))
        if not body or set(wanted) > set(now) or not fits:
            raise RequestRefused(
                'give {"blocked": true} or {"blocked": false}, {"status": "disconnected"}, or a namespace'
            )
        self._channel.blocked, self._channel.status, self._channel.namespace = blocked, status, namespace
        return json_reply("sandbox", 200, wanted)

    def _guarded(self, answer: Answerer) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler for callers that know the channel and its token."""

        async def respond(request: Request) -> Response:
            if request.path_params["channel"] != self._channel.id:
                return _response(responses.wrong_channel())
            body = await _object(request)
            token = presented_token(request.headers.raw, request.url.query.encode("latin-1"), body)
            if not is_valid(token, self._channel.token):
                return _response(responses.wrong_token(token, self._channel.id))
            return _answered(answer, request, body)

        return respond


def _guide(
    channel: str, guarded: Sequence[tuple[str, str, Answerer]], own: Sequence[tuple[str, str, Answerer]]
) -> dict[str, Any]:
    """Return what `GET /` answers: every call, with what its docstring says first."""

    def told(answer: Answerer) -> str:
        return (answer.__doc__ or "").partition("\n")[0]

    return {
        "what": "A stand-in for 1MSG, for tests. The channel's calls need the token on its first line.",
        "channel": [
            f"POST /{channel}/sendTemplate",
            *(f"{method} /{channel}/{path}" for path, method, _ in guarded),
        ],
        "sandbox": {f"{method} /_sandbox/{path}": told(answer) for path, method, answer in own},
    }


def _open(answer: Answerer) -> Callable[[Request], Awaitable[Response]]:
    """Return a handler for all callers."""

    async def respond(request: Request) -> Response:
        return _answered(answer, request, await _object(request))

    return respond


def _answered(answer: Answerer, request: Request, body: dict[str, Any] | None) -> Response:
    if body is None:
        return _response(responses.bad_request("the body must be a JSON object or a form"))
    try:
        return _response(answer(request, body))
    except RequestRefused as refused:
        return _response(responses.bad_request(str(refused)))


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, {"content-type": reply.content_type.decode()})


async def _object(request: Request) -> dict[str, Any] | None:
    """Return the body of a POST, or None if it cannot be read; the body of a GET is ignored."""
    if request.method != "POST":
        return {}
    try:
        return as_object(await request.body(), request.headers.raw)
    except UnreadableBody:
        return None


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise RequestRefused(f"{name} must be a whole number")
    return int(text)
