"""Everything but `sendTemplate`: lists, hookInfo, webhooks, settings, status (contract §4 to §7), and pages of our own.

Where the contract has no answer on record, the sandbox gives one that a tolerant client must take: the hookInfo of an
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

from consumer.sandbox import answers
from consumer.sandbox.answers import Reply, json_reply
from consumer.sandbox.bodies import hook, listed
from consumer.sandbox.callbacks import Callbacks
from consumer.sandbox.reading import Unreadable, as_object, is_right, presented_token
from consumer.sandbox.recipients import from_phone
from consumer.sandbox.registration import Refused, shown, shown_webhooks, updated, with_webhooks
from consumer.sandbox.sending import SendTemplate
from consumer.sandbox.state import Channel, Message, Now

Answerer: TypeAlias = Callable[[Request, dict[str, Any]], Reply]
"""Takes the body of a POST, or an empty one. Raises Refused."""


class Routes:
    """`webhook_hosts`: hosts that may be called back beside loopback ones."""

    def __init__(
        self, channel: Channel, callbacks: Callbacks, now: Now, sender: SendTemplate, webhook_hosts: Iterable[str]
    ) -> None:
        self._channel = channel
        self._callbacks = callbacks
        self._now = now
        self._sender = sender
        self._hosts = frozenset(webhook_hosts)

    def all(self) -> list[Route]:
        """Every route, the hot one first."""
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
        return [
            Route("/{channel}/sendTemplate", self._sender, methods=["POST"]),
            *(Route(f"/_sandbox/{path}", _open(answer), methods=[method]) for path, method, answer in own),
            *(
                Route(f"/{{channel}}/{path}", self._guarded(answer), methods=[method])
                for path, method, answer in guarded
            ),
        ]

    def templates(self, request: Request, body: dict[str, Any]) -> Reply:
        """`limit`, `offset`, `sort` = id, name or status."""
        query = request.query_params
        sort = query.get("sort", "id")
        if sort not in ("id", "name", "status"):
            raise Refused("sort must be id, name or status")
        found = sorted(self._channel.templates.values(), key=lambda template: str(getattr(template, sort)))
        offset, limit = _number(query, "offset", 0), _number(query, "limit", len(found))
        page = [template.listed(self._channel.namespace) for template in found[offset : offset + limit]]
        return json_reply("templates", 200, {"total": len(found), "templates": page})

    def messages(self, request: Request, body: dict[str, Any]) -> Reply:
        """`limit` (100; 0: all), `last`, `lastMessageNumber`, `min_time`, `max_time` (seconds), `chatId`, `msgId`."""
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
        return json_reply("messages", 200, {"messages": [listed(message) for message in islice(found, limit)]})

    def _candidates(self, query: Mapping[str, str], *, newest_first: bool) -> Iterable[Message]:
        chat_id, message_id = query.get("chatId"), query.get("msgId")
        if message_id is None:
            return self._channel.messages.of(chat_id, newest_first=newest_first)
        message = self._channel.messages.get(message_id)
        return [message] if message and chat_id in (None, message.recipient.chat_id) else []

    def hook_info(self, request: Request, body: dict[str, Any]) -> Reply:
        message_id = request.query_params.get("messageId")
        if not message_id:
            raise Refused("messageId is required")
        message = self._channel.messages.get(message_id)
        steps = message.reached(self._now()) if message else ()
        return json_reply("hooks", 200, {"hooks": [hook(message, step) for step in steps if message]})

    def status(self, request: Request, body: dict[str, Any]) -> Reply:
        return json_reply("status", 200, {"status": self._channel.status, "mm_lite_available": False})

    def webhook(self, request: Request, body: dict[str, Any]) -> Reply:
        urls = shown_webhooks(self._channel.settings)
        return json_reply("webhook", 200, {"webhookUrl": urls, "webhookStatuses": self._callbacks.statuses()})

    def set_webhook(self, request: Request, body: dict[str, Any]) -> Reply:
        """Replaces the whole list, and enables what was disabled."""
        settings = with_webhooks(self._channel.settings, body.get("webhookUrl"), self._hosts)
        self._channel.settings = settings
        self._callbacks.follow_list(enable=True)
        value = {"set": True, "message": ",".join(settings.webhooks), "webhookUrl": shown_webhooks(settings)}
        return json_reply("webhook", 200, value)

    def settings(self, request: Request, body: dict[str, Any]) -> Reply:
        return json_reply("settings", 200, shown(self._channel.settings))

    def set_settings(self, request: Request, body: dict[str, Any]) -> Reply:
        """Answers all settings, and under `update` those that changed. A disabled webhook stays disabled."""
        before = shown(self._channel.settings)
        self._channel.settings = updated(self._channel.settings, body, self._hosts)
        self._callbacks.follow_list(enable=False)
        after = shown(self._channel.settings)
        changed = {name: value for name, value in after.items() if value != before[name]}
        return json_reply("settings", 200, after | {"update": changed})

    def register(self, urls: Sequence[str]) -> None:
        """Makes these the only webhooks, and switches statuses on. Raises Refused."""
        settings = with_webhooks(self._channel.settings, list(urls), self._hosts)
        self._channel.settings = replace(settings, acks=True)
        self._callbacks.follow_list(enable=True)

    def sandbox_messages(self, request: Request, body: dict[str, Any]) -> Reply:
        """What was accepted, oldest first; `limit` shows the newest ones only."""
        limit = _number(request.query_params, "limit", 0) or None
        return json_reply("sandbox", 200, self.accepted(limit))

    def accepted(self, limit: int | None = None) -> dict[str, Any]:
        """The value of `/_sandbox/messages`: `requests` counts all `sendTemplate` requests, answered or not."""
        rows = self._channel.sent(self._now(), limit=limit)
        return {"requests": self._channel.requests, "accepted": self._channel.accepted, "messages": rows}

    def sandbox_stats(self, request: Request, body: dict[str, Any]) -> Reply:
        return json_reply("sandbox", 200, self.stats())

    def stats(self) -> dict[str, Any]:
        """The value of `/_sandbox/stats`."""
        messages = self._channel.messages
        return {
            "requests": self._channel.requests,
            "accepted": self._channel.accepted,
            "answers": dict(self._channel.answers),
            "messages": {"kept": len(messages), "forgotten": messages.forgotten},
            "callbacks": {**self._callbacks.counts, "pending": self._callbacks.pending},
        }

    def sandbox_inbound(self, request: Request, body: dict[str, Any]) -> Reply:
        """`phone`, `body` and, for a tapped button, `type` = button: somebody writes to the channel."""
        sender, words = from_phone(body.get("phone")), body.get("body")
        kind = body.get("type", "chat")
        if sender is None or not isinstance(words, str) or kind not in ("chat", "button"):
            raise Refused('give {"phone": "15551230000", "body": "STOP"}, and type chat or button if you like')
        message = self._sender.write_back(sender, words, kind)
        return json_reply("sandbox", 200, {"id": message.id, "chatId": message.recipient.chat_id})

    def sandbox_templates(self, request: Request, body: dict[str, Any]) -> Reply:
        """What WhatsApp makes of the template `name`, in all languages or in `language`: another `status` (approved,
        PAUSED, …; "gone" takes it off the list), `category`, or `body`."""
        name, language = body.get("name"), body.get("language")
        changes: dict[str, str] = {key: body[key] for key in ("status", "category", "body") if key in body}
        texts = [name, *changes.values(), *([] if language is None else [language])]
        if not changes or not all(isinstance(text, str) and text for text in texts):
            raise Refused('give {"name": "inactivity_reminder", "status": "PAUSED"}, or another category, or body')
        return json_reply("sandbox", 200, {"changed": self._channel.change_template(str(name), language, changes)})

    def sandbox_channel(self, request: Request, body: dict[str, Any]) -> Reply:
        """`blocked`: true as when the subscription has ended (every send is answered 403), or false; `status`: what
        `GET /status` says (connected, disconnected, …); `namespace`: another one, for all templates."""
        now = {"blocked": self._channel.blocked, "status": self._channel.status, "namespace": self._channel.namespace}
        told: dict[str, Any] = now | body
        blocked, status, namespace = told["blocked"], told["status"], told["namespace"]
        fits = isinstance(blocked, bool) and all(isinstance(text, str) and text for text in (status, namespace))
        if not body or set(told) > set(now) or not fits:
            raise Refused('give {"blocked": true} or {"blocked": false}, {"status": "disconnected"}, or a namespace')
        self._channel.blocked, self._channel.status, self._channel.namespace = blocked, status, namespace
        return json_reply("sandbox", 200, told)

    def _guarded(self, answer: Answerer) -> Callable[[Request], Awaitable[Response]]:
        """Only for those who know the channel and its token."""

        async def respond(request: Request) -> Response:
            if request.path_params["channel"] != self._channel.id:
                return _response(answers.wrong_channel())
            body = await _object(request)
            token = presented_token(request.headers.raw, request.url.query.encode("latin-1"), body)
            if not is_right(token, self._channel.token):
                return _response(answers.wrong_token(token, self._channel.id))
            return _answered(answer, request, body)

        return respond


def _open(answer: Answerer) -> Callable[[Request], Awaitable[Response]]:
    """For anyone."""

    async def respond(request: Request) -> Response:
        return _answered(answer, request, await _object(request))

    return respond


def _answered(answer: Answerer, request: Request, body: dict[str, Any] | None) -> Response:
    if body is None:
        return _response(answers.bad_request("the body must be a JSON object or a form"))
    try:
        return _response(answer(request, body))
    except Refused as refused:
        return _response(answers.bad_request(str(refused)))


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, {"content-type": reply.content_type.decode()})


async def _object(request: Request) -> dict[str, Any] | None:
    """The body of a POST; nothing but the query counts in a GET."""
    if request.method != "POST":
        return {}
    try:
        return as_object(await request.body(), request.headers.raw)
    except Unreadable:
        return None


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise Refused(f"{name} must be a whole number")
    return int(text)
