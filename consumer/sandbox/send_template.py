"""`POST /{channel}/sendTemplate`, as a bare ASGI application, because this is the route that has to be fast.

It checks in this order: channel, body, token, a blocked channel, rate, validation. Then the request takes its course.
As at 1MSG, a message is accepted before its answer is delayed: a client that gives up early has sent it all the same.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from consumer.sandbox import responses
from consumer.sandbox.channel_state import Channel, ChatIdentity, Message, Now, SendRequest
from consumer.sandbox.faults.course import Course, CourseRules, course_of, reply_of
from consumer.sandbox.request_parsing import UnreadableBody, as_object, is_valid, presented_token, whole_body
from consumer.sandbox.responses import Reply
from consumer.sandbox.validation import validate
from consumer.sandbox.webhooks.payloads import WebhookEvent
from consumer.sandbox.webhooks.webhook_sender import WebhookSender

HANG_UP: Final = "sandbox.hang_up"
"""The key in `scope["state"]` of the function that closes the connection of the request."""


class SendTemplate:
    """Answer the requests; `latency` is the number of milliseconds before each answer."""

    def __init__(self, channel: Channel, webhooks: WebhookSender, now: Now, rules: CourseRules, latency: int) -> None:
        self._channel = channel
        self._webhooks = webhooks
        self._now = now
        self._rules = rules
        self._latency = latency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = await whole_body(receive)
        self._channel.requests += 1
        request_number = self._channel.requests
        checked = self._check(scope, raw)
        if isinstance(checked, SendRequest):
            await self._carry_out(checked, request_number, scope, receive, send)
        else:
            await _sleep(self._latency)
            await self._answer(checked, send)

    def _check(self, scope: Scope, raw: bytes | None) -> SendRequest | Reply:
        """Return the valid request, or the answer that refuses it."""
        channel = self._channel
        if scope["path_params"]["channel"] != channel.id:
            return responses.wrong_channel()
        body = _object(raw, scope)
        token = presented_token(scope["headers"], scope["query_string"], body)
        if not is_valid(token, channel.token):
            return responses.wrong_token(token, channel.id)
        if body is None:
            return responses.bad_request("the body must be a JSON object or a form, of at most 1 MB")
        if channel.blocked:
            return responses.blocked()
        if not channel.bucket.take(self._now()):
            return responses.rate_limited()
        checked = validate(body, channel.templates, channel.namespace)
        if isinstance(checked, SendRequest):
            channel.requests_by_recipient.add(checked.recipient.given)
        return checked

    async def _carry_out(
        self, send_request: SendRequest, request_number: int, scope: Scope, receive: Receive, send: Send
    ) -> None:
        course = course_of(send_request, request_number, self._rules)
        message = self._accept(send_request, course, request_number) if course.accepted else None
        if message:
            for callback in course.callbacks:
                if callback.early:
                    await self._webhooks.send_now(message, callback)
        await _sleep(self._latency + course.slow)
        reply = reply_of(course, send_request, message, request_number, self._rules.faults.retry_after)
        if reply is None:
            self._channel.answers["hangup"] += 1
            await _hang_up(scope["state"][HANG_UP], receive)
        else:
            await self._answer(reply, send)
        if message:
            self._schedule(message, course)

    def _accept(self, send_request: SendRequest, course: Course, request_number: int) -> Message:
        at = self._now()
        starts = at + self._latency + course.slow
        return self._channel.accept(
            send_request, request_number=request_number, at=at, starts=starts, steps=course.steps
        )

    def _schedule(self, message: Message, course: Course) -> None:
        """Schedule the callbacks that come after the answer, and what the person writes back."""
        self._webhooks.schedule(message, [callback for callback in course.callbacks if not callback.early])
        if course.written_back is not None:
            first, last = self._rules.habits.delays
            asyncio.get_running_loop().call_later(
                (first + last) / 1000, self.write_back, message.recipient, course.written_back
            )

    def write_back(self, sender: ChatIdentity, text: str, kind: str = "chat") -> Message:
        """Let somebody write to the channel; its webhooks get this as `messages[]`."""
        message = self._channel.receive(sender, text, kind=kind, at=self._now())
        self._webhooks.send(WebhookEvent(message))
        return message

    async def _answer(self, reply: Reply, send: Send) -> None:
        self._channel.answers[reply.kind] += 1
        headers = [(b"content-type", reply.content_type), (b"content-length", str(len(reply.body)).encode())]
        if reply.retry_after is not None:
            headers.append((b"retry-after", str(reply.retry_after).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})


def _object(raw: bytes | None, scope: Scope) -> dict[str, Any] | None:
    try:
        return None if raw is None else as_object(raw, scope["headers"])
    except UnreadableBody:
        return None


async def _sleep(milliseconds: int) -> None:
    if milliseconds:
        await asyncio.sleep(milliseconds / 1000)


async def _hang_up(close: Callable[[], None], receive: Receive) -> None:
    close()
    while (await receive())["type"] != "http.disconnect":
        continue
