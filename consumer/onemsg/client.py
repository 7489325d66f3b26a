"""The client of 1MSG's HTTP API. It calls the API directly; docs/1msg.md#official-sdk says why it does not use the
official SDK.

The token is sent only in the Authorization header (docs/1msg.md#address-and-token). Redirects are not followed and
requests are not repeated: either could send a second message.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import structlog

from consumer.clock import SECOND, Millis, Now, SystemClock
from consumer.onemsg.api_errors import ApiErrorKind, OneMsgError, parse_response
from consumer.onemsg.http import lenient_json as lenient
from consumer.onemsg.http.transport import Answer, HttpTransport, proxy_for
from consumer.onemsg.http.transport_errors import FAILURES, TooLong, in_words, outcome_of
from consumer.onemsg.message import TemplateMessage, body_of
from consumer.onemsg.outcomes import Outcome
from consumer.onemsg.send_response import outcome_of_response
from consumer.onemsg.templates.listing import TemplateListing, entry_key, page_entries, parse_templates
from consumer.onemsg.webhook import parser
from consumer.onemsg.webhook.notifications import Echo, StatusReport
from consumer.onemsg.webhook.registration import Destinations, disabled_among

__all__ = ["ChannelStatus", "OneMsgClient", "OneMsgError", "TemplateMessage"]

_MAX_ANSWER_BYTES = 1_000_000
"""Longer answers are not read to the end. JSON can take twenty-six times its length in memory."""
_MOST_MESSAGES = 100
_MAX_MESSAGES_BYTES = 6_000_000
"""A hundred texts of 4,096 characters, each character escaped as twelve bytes, are five million."""
_MAX_TEMPLATES_BYTES = 16_000_000
"""All pages together: an account has at most 6,000 templates, of one or two thousand bytes."""

_PAGE_SIZE = 100
_MAX_PAGES = 200
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """The answer of `GET /status`."""

    status: str

    @property
    def connected(self) -> bool:
        return self.status.lower() == "connected"


class OneMsgClient:
    """The client of one channel, for one event loop; close it with `aclose`, or use it as a context manager.

    `timeout_ms` bounds each request as a whole, so that no attempt outlives its lease. Raises ValueError for a
    malformed address, channel or token.
    """

    def __init__(
        self,
        *,
        base_url: str,
        channel_id: str,
        token: str,
        timeout_ms: Millis,
        max_connections: int = 100,
        now: Now | None = None,
    ) -> None:
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ValueError("the token must be one word of plain characters: is there a line break in its file?")
        self._token = token
        self._now = now or SystemClock().now
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "lapse"}
        address = _address(base_url, channel_id)
        self._http = HttpTransport(
            address,
            headers=headers,
            timeout_ms=timeout_ms,
            connections=max_connections,
            proxy=proxy_for(address),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. Attempts in progress become unknown."""
        await self._http.aclose()

    async def send_template(self, message: TemplateMessage) -> Outcome:
        """Try once. Every answer and every failure is an Outcome (docs/1msg.md#answers-to-sendtemplate); only
        cancellation raises."""
        hide = (self._token, message.phone, *message.params)
        try:
            answer = await self._http.exchange("POST", "sendTemplate", body=body_of(message), limit=_MAX_ANSWER_BYTES)
        except FAILURES as error:
            return outcome_of(error, hide)
        return outcome_of_response(*answer, now=self._now(), hide=hide)

    async def templates(self) -> TemplateListing:
        """Return all templates that 1MSG shows for the channel (docs/1msg.md#listing-templates). Raises OneMsgError.

        Some channels ignore `offset`, so a page that adds nothing is the end. Unless it is empty, or the channel has
        stated the total, the listing may be incomplete.
        """
        found: dict[object, object] = {}
        total: int | None = None
        offset, whole, bytes_left = 0, False, _MAX_TEMPLATES_BYTES
        for _ in range(_MAX_PAGES):
            received = await self._exchange(
                "GET", "templates", query={"limit": _PAGE_SIZE, "offset": offset}, limit=bytes_left
            )
            bytes_left -= len(received[2])
            answer = self._parsed(received)
            page = page_entries(answer)
            if page is None:
                raise OneMsgError(ApiErrorKind.UNREADABLE, "templates: neither a list nor an object with one")
            before = len(found)
            for entry in page:
                found.setdefault(entry_key(entry), entry)
            total = lenient.coalesce(lenient.integer(lenient.mapping(answer).get("total")), total)
            if len(found) == before:
                whole = not page
                break
            offset += len(page)
        return TemplateListing(parse_templates(found.values()), whole if total is None else len(found) >= total)

    async def messages(self, recipient: str, since: Millis) -> list[Echo]:
        """Return our messages to this number (digits) since then, newest first, at most a hundred. Raises OneMsgError.

        An empty list proves nothing (docs/1msg.md#message-list): the channel may keep no history. Nor does a full one,
        of which earlier messages may be missing, and so it is returned as an empty one.
        """
        chat, seconds = f"{recipient}@c.us", max(since // SECOND, 0)
        query: dict[str, str | int] = {"chatId": chat, "last": "true", "min_time": seconds, "limit": _MOST_MESSAGES}
        answer = self._parsed(await self._exchange("GET", "messages", query=query, limit=_MAX_MESSAGES_BYTES))
        rows = answer if isinstance(answer, list) else lenient.items(lenient.mapping(answer).get("messages"))
        read = (parser.parse_message(row) for row in rows) if len(rows) < _MOST_MESSAGES else ()
        return [each for each in read if isinstance(each, Echo)]

    async def hook_info(self, message_id: str) -> tuple[StatusReport, ...]:
        """Return 1MSG's status reports of a message (docs/1msg.md#hookinfo); empty for an unknown id. Raises
        OneMsgError."""
        try:
            answer = await self._get("hookInfo", messageId=message_id)
        except OneMsgError as error:
            if error.kind is ApiErrorKind.NOT_FOUND:
                return ()
            raise
        hooks = answer if isinstance(answer, list) else lenient.items(lenient.mapping(answer).get("hooks"))
        reports = (parser.parse_status(hook) for hook in hooks)
        return tuple(report for report in reports if report is not None and report.message_id == message_id)

    async def status(self) -> ChannelStatus:
        """Return whether the channel is connected (docs/1msg.md#address-and-token). Raises OneMsgError."""
        answer = lenient.mapping(await self._get("status"))
        status = lenient.text(answer.get("status"))
        if status is None:
            raise OneMsgError(ApiErrorKind.UNREADABLE, "status: the answer has none")
        return ChannelStatus(status)

    async def webhook(self) -> Destinations:
        """Return the addresses to which 1MSG reports (docs/1msg.md#webhook-registration). Raises OneMsgError.

        A list that cannot be read completely is an error: it is written back later, and no address may get lost.
        """
        answer = await self._get("webhook")
        known = isinstance(answer, Mapping) and "webhookUrl" in answer
        urls = _urls(lenient.mapping(answer).get("webhookUrl")) if known else None
        if urls is None:
            raise OneMsgError(ApiErrorKind.UNREADABLE, "webhook: the answer has no list of URLs that can be read")
        return Destinations(tuple(urls), disabled_among(lenient.mapping(answer).get("webhookStatuses")))

    async def set_webhook(self, urls: Sequence[str]) -> None:
        """Replace the whole list (docs/1msg.md#webhook-registration) by one to five URLs. Raises OneMsgError."""
        given: object = urls[0] if len(urls) == 1 else list(urls)
        answer = await self._post("webhook", {"webhookUrl": given}, hide=urls)
        if lenient.boolean(lenient.mapping(answer).get("set")) is False:
            raise OneMsgError(ApiErrorKind.REFUSED, "webhook: 1MSG did not set the list")

    async def settings(self) -> Mapping[str, object]:
        """Return the channel's settings (docs/1msg.md#webhook-registration), including webhook URLs with secrets.
        Raises OneMsgError."""
        return lenient.mapping(await self._get("settings"))

    async def set_settings(self, **partial: object) -> Mapping[str, object]:
        """Change these settings only; return 1MSG's answer. Raises OneMsgError."""
        return lenient.mapping(await self._post("settings", partial))

    async def _get(self, method: str, **query: str) -> object:
        return self._parsed(await self._exchange("GET", method, query=query))

    async def _post(self, method: str, body: object, hide: Sequence[str] = ()) -> object:
        return self._parsed(await self._exchange("POST", method, body=json.dumps(body).encode(), hide=hide), hide)

    def _parsed(self, received: Answer, hide: Sequence[str] = ()) -> object:
        return parse_response(*received, now=self._now(), hide=(self._token, *hide))

    async def _exchange(
        self,
        verb: str,
        method: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: bytes | None = None,
        hide: Sequence[str] = (),
        limit: int = _MAX_ANSWER_BYTES,
    ) -> Answer:
        try:
            return await self._http.exchange(verb, method, query=query, body=body, limit=limit)
        except TooLong:
            raise OneMsgError(ApiErrorKind.UNREADABLE, f"{method}: the answer is too long") from None
        except FAILURES as error:
            failed = outcome_of(error, (self._token, *hide))
            _log.debug("onemsg_call_failed", method=method, reason=failed.reason, error=failed.error)
            raise OneMsgError(ApiErrorKind.UNAVAILABLE, in_words(failed)) from None


def _address(base_url: str, channel_id: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("base_url must look like https://api.1msg.io")
    try:
        parts.hostname.encode("idna")
    except UnicodeError:
        raise ValueError("base_url must name a host that can exist, like https://api.1msg.io") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("base_url must be an address alone: the token has its own place")
    if not re.fullmatch(r"[\w.-]+", channel_id, re.ASCII) or channel_id in (".", ".."):
        raise ValueError("channel_id must be the channel's id alone")
    return f"{base_url.rstrip('/')}/{channel_id}/"


def _urls(value: object) -> list[str] | None:
    """Return the URLs of a string, a comma-joined string or a list (docs/1msg.md#webhook-registration), each once;
    None for anything else."""
    if value is None:
        return []
    given = value if isinstance(value, list) else [value]
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) < len(given):
        return None
    single = [url.strip() for text in texts for url in re.split(r",\s*(?=https?://)", text)]
    return list(dict.fromkeys(url for url in single if url))
