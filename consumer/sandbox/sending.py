"""`POST /{channel}/sendTemplate`: the hot route, as a bare ASGI application.

In order: channel, body, token, a blocked channel, rate, validation, and then the request's course. A message is
accepted (kept, and on its way) before its answer is delayed, as it is at 1MSG, so a client that gives up early has
nevertheless sent it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from consumer.sandbox import answers
from consumer.sandbox.answers import Reply
from consumer.sandbox.bodies import Event
from consumer.sandbox.callbacks import Callbacks
from consumer.sandbox.course import Course, Rules, course_of, reply_of
from consumer.sandbox.reading import Unreadable, as_object, is_right, presented_token, whole_body
from consumer.sandbox.state import Channel, Message, Now, Order, Recipient
from consumer.sandbox.validation import check

HANG_UP: Final = "sandbox.hang_up"
"""Under this name the server keeps in `scope["state"]` what closes the request's connection."""


class SendTemplate:
    """`latency`: milliseconds before every answer."""

    def __init__(self, channel: Channel, callbacks: Callbacks, now: Now, rules: Rules, latency: int) -> None:
        self._channel = channel
        self._callbacks = callbacks
        self._now = now
        self._rules = rules
        self._latency = latency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = await whole_body(receive)
        self._channel.requests += 1
        request = self._channel.requests
        order = self._order(scope, raw)
        if isinstance(order, Order):
            await self._carry_out(order, request, scope, receive, send)
        else:
            await _pause(self._latency)
            await self._answer(order, send)

    def _order(self, scope: Scope, raw: bytes | None) -> Order | Reply:
        channel = self._channel
        if scope["path_params"]["channel"] != channel.id:
            return answers.wrong_channel()
        body = _object(raw, scope)
        token = presented_token(scope["headers"], scope["query_string"], body)
        if not is_right(token, channel.token):
            return answers.wrong_token(token, channel.id)
        if body is None:
            return answers.bad_request("the body must be a JSON object or a form, of at most 1 MB")
        if channel.blocked:
            return answers.blocked()
        if not channel.bucket.take(self._now()):
            return answers.rate_limited()
        order = check(body, channel.templates, channel.namespace)
        if isinstance(order, Order):
            channel.asked.add(order.recipient.given)
        return order

    async def _carry_out(self, order: Order, request: int, scope: Scope, receive: Receive, send: Send) -> None:
        course = course_of(order, request, self._rules)
        message = self._accept(order, course, request) if course.accepted else None
        if message:
            for call in course.calls:
                if call.early:
                    await self._callbacks.tell_now(message, call)
        await _pause(self._latency + course.slow)
        reply = reply_of(course, order, message, request, self._rules.faults.retry_after)
        if reply is None:
            self._channel.answers["hangup"] += 1
            await _hang_up(scope["state"][HANG_UP], receive)
        else:
            await self._answer(reply, send)
        if message:
            self._follow(message, course)

    def _accept(self, order: Order, course: Course, request: int) -> Message:
        at = self._now()
        starts = at + self._latency + course.slow
        return self._channel.accept(order, request=request, at=at, starts=starts, steps=course.steps)

    def _follow(self, message: Message, course: Course) -> None:
        self._callbacks.schedule(message, [call for call in course.calls if not call.early])
        if course.words is not None:
            first, last = self._rules.habits.delays
            asyncio.get_running_loop().call_later(
                (first + last) / 1000, self.write_back, message.recipient, course.words
            )

    def write_back(self, sender: Recipient, words: str, kind: str = "chat") -> Message:
        """Somebody writes to the channel, which its webhooks learn as `messages[]`."""
        message = self._channel.receive(sender, words, kind=kind, at=self._now())
        self._callbacks.tell(Event(message))
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
    except Unreadable:
        return None


async def _pause(milliseconds: int) -> None:
    if milliseconds:
        await asyncio.sleep(milliseconds / 1000)


async def _hang_up(close: Callable[[], None], receive: Receive) -> None:
    close()
    while (await receive())["type"] != "http.disconnect":
        continue
