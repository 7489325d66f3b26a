"""Turns an answer to `sendTemplate` into an outcome, by the rows of docs/1msg.md#answers-to-sendtemplate. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Self

from consumer.clock import DAY, SECOND, Millis
from consumer.onemsg.error_classification import classify, code_in
from consumer.onemsg.error_table import ErrorRule
from consumer.onemsg.http import lenient_json as lenient
from consumer.onemsg.masking import hide_texts, mask_text
from consumer.onemsg.outcomes import Accepted, Outcome, Rejected, Remedy, Unknown

MAX_RETRY_AFTER: Millis = 7 * DAY
"""A longer `Retry-After` counts as this."""

_BY_STATUS: Mapping[int, ErrorRule] = {
    400: ErrorRule(None, "bad_request", Remedy.MESSAGE, "[n8n] row D"),
    401: ErrorRule(None, "credential", Remedy.CHANNEL, "[spec2023] row E"),
    403: ErrorRule(None, "channel_blocked", Remedy.CHANNEL, "[sdk] row F"),
    404: ErrorRule(None, "wrong_address", Remedy.CHANNEL, "[n8n] row G: path or channel id"),
    422: ErrorRule(None, "unprocessable", Remedy.CHANNEL, "[usecase] row H: namespace or variables", template=True),
    429: ErrorRule(None, "rate_limited", Remedy.SLOW, "[sdk] row I"),
}
"""Explicit refusals. Any other status proves nothing, so the message must not be sent again."""

_WHOLE_CHANNEL = frozenset({401, 403})  # refused whatever the body says
_HTML_IS_UNKNOWN = frozenset({400, 422})  # rows D and H are 1MSG's own answers, which are never HTML (row J)


@dataclass(frozen=True, slots=True)
class ResponseBody:
    """The content of a body. `html`: it is a web page, so something between 1MSG and us has answered."""

    body: Mapping[str, object]
    is_object: bool
    html: bool
    text: str

    @property
    def code(self) -> int | None:
        """The code of the error, as a field of its own or in the text."""
        return lenient.coalesce(_code(self.body), code_in(self.text))

    def without(self, hide: Sequence[str]) -> Self:
        """Return the body with these masked in its text: what we sent must not decide what an error means that quotes
        it, since a name may be any words."""
        return replace(self, text=hide_texts(self.text, hide))

    @property
    def queued(self) -> bool:
        """Whether there is a `jobId`, which means that the message may still be sent (row C)."""
        job = self.body.get("jobId")
        return job is not None and job is not False and job != ""


def outcome_of_response(
    status_code: int, headers: Mapping[str, str], body: bytes, *, now: Millis, hide: Sequence[str] = ()
) -> Outcome:
    """Return the outcome of an answered attempt. Never raises, whatever the bytes are.

    `now` is for a `Retry-After` that names a date; texts in `hide` (the recipient, what was sent) are masked in
    the provider's text before it is judged.
    """
    content = read_body(headers, body)
    if 200 <= status_code < 300 and (accepted := _accepted(content)):
        return accepted  # before any text is masked: that takes a tenth of a send
    content = content.without(hide)
    words = mask_text(content.text) or None
    if 200 <= status_code < 300:
        return _answered(content, words, parse_retry_after(headers, now))
    rule = _BY_STATUS.get(status_code)
    if rule is None:  # row J
        return Unknown(reason="server_error" if status_code >= 500 else "unexpected_status", error=words)
    if content.html and status_code in _HTML_IS_UNKNOWN:
        return Unknown(reason="unreadable_answer", error=words)
    if content.queued or lenient.boolean(content.body.get("sent")):
        return Unknown(reason="queued" if content.queued else "contradictory", error=words)
    if status_code == 401:
        words = "1MSG does not take the token"  # the body of a 401 repeats the token (docs/1msg.md#address-and-token)
    return _refused(rule, content, words, parse_retry_after(headers, now), settled=status_code in _WHOLE_CHANNEL)


def _accepted(content: ResponseBody) -> Accepted | None:
    """Row A."""
    message_id = lenient.identifier(content.body.get("id"))
    return Accepted(message_id=message_id) if message_id and lenient.boolean(content.body.get("sent")) else None


def _answered(content: ResponseBody, words: str | None, retry_after: Millis | None) -> Outcome:
    """Rows B, C, K and L: any 2xx that is not accepted."""
    if not content.is_object:
        return Unknown(reason="unreadable_answer", error=words)  # row J
    sent, message_id = lenient.boolean(content.body.get("sent")), lenient.identifier(content.body.get("id"))
    if content.queued:
        return Unknown(reason="queued", error=words)  # row C
    if sent:
        return Unknown(reason="no_id", error=words)  # row L
    if message_id and sent is False:
        return Unknown(reason="contradictory", error=words)  # a refusal with a message id
    if sent is False or (sent is None and _response_error(content.body)):
        unknown = ErrorRule(None, "unknown_error", Remedy.MESSAGE, "no source")
        return _refused(unknown, content, words, retry_after, settled=False)  # rows B and K
    return Unknown(reason="no_verdict", error=words)  # row L


def _refused(
    default: ErrorRule, content: ResponseBody, words: str | None, retry_after: Millis | None, *, settled: bool
) -> Rejected:
    found = classify(content.code, content.text)
    rule = default if settled or found.reason == "unknown_error" else found
    waits = [span for span in (retry_after, rule.not_before) if span is not None]
    return Rejected(
        reason=rule.reason,
        remedy=rule.remedy,
        error_code=lenient.coalesce(content.code, found.code),
        error=words,
        retry_after=max(waits, default=None),
        template=rule.template,
    )


def read_body(headers: Mapping[str, str], body: bytes) -> ResponseBody:
    """Read a body. Its texts are not masked yet: see `mask_text`."""
    html = body.lstrip()[:1] == b"<" or "html" in _header(headers, "content-type").lower()
    try:
        document = lenient.decode(body)
    except lenient.NotJson:
        text = "an HTML page" if html else body[:4096].decode("utf-8", "replace")
        return ResponseBody({}, False, html, text)
    if not isinstance(document, dict):
        return ResponseBody({}, False, html, document if isinstance(document, str) else "")
    return ResponseBody(document, True, False, ": ".join(_texts(document)))


def _response_error(body: Mapping[str, object]) -> object:
    """Row K: `{"response": {"error": …}}`."""
    return lenient.mapping(body.get("response")).get("error")


def _texts(body: Mapping[str, object]) -> list[str]:
    """Return every explanation once, in the order of the official n8n node (docs/1msg.md#answers-to-sendtemplate)."""
    found = [body.get("message"), body.get("error")]
    for error in (body.get("error"), _response_error(body)):
        inner = lenient.mapping(error)
        found += [inner.get(key) for key in ("error_user_title", "error_user_msg", "message", "title")]
        found += [lenient.mapping(inner.get("error_data")).get("details"), inner.get("details")]
    found.append(_response_error(body))
    texts = [text for each in found if (text := lenient.text(each)) is not None]
    return list(dict.fromkeys(texts))


def _code(body: Mapping[str, object]) -> int | None:
    """Return `error.code`, else `error.error_code`, else `code` (docs/1msg.md#answers-to-sendtemplate)."""
    for error in (body.get("error"), _response_error(body)):
        inner = lenient.mapping(error)
        code = lenient.coalesce(lenient.integer(inner.get("code")), lenient.integer(inner.get("error_code")))
        if code is not None:
            return code
    outer = lenient.integer(body.get("code"))
    # Outside an error object this may be an HTTP status, or 0 for "none"; Meta has codes of the same values.
    like_http = outer is not None and (200 <= outer < 300 or 400 <= outer < 600)
    return None if outer == 0 or like_http else outer


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


def parse_retry_after(headers: Mapping[str, str], now: Millis) -> Millis | None:
    """Return the wait in milliseconds that `Retry-After` asks for, as seconds or as a date; None if there is none."""
    value = _header(headers, "retry-after").strip()
    if value.isascii() and value.isdecimal():
        return min(int(value[:9]) * SECOND, MAX_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(value)
        at = date if date.tzinfo else date.replace(tzinfo=UTC)
        return min(max(round(at.timestamp() * SECOND) - now, 0), MAX_RETRY_AFTER)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
