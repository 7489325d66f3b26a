"""Reads the answers to all calls except `sendTemplate`: returns their JSON, or raises an error with its kind."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from consumer.clock import Millis
from consumer.onemsg.error_classification import classify
from consumer.onemsg.http import lenient_json as lenient
from consumer.onemsg.masking import mask_text
from consumer.onemsg.send_response import ResponseBody, parse_retry_after, read_body


class ApiErrorKind(StrEnum):
    """Why a call failed, by what to do about it."""

    CREDENTIAL = "credential"
    """The token is wrong or outdated: use the channel's current one."""
    BLOCKED = "blocked"
    """The channel is on trial, or its subscription is blocked: contact 1MSG."""
    NOT_FOUND = "not_found"
    """Not found: check the address and the channel's id."""
    REFUSED = "refused"
    """1MSG refused the call; the text says why."""
    UNAVAILABLE = "unavailable"
    """Unreachable, too busy or broken: try again later."""
    UNREADABLE = "unreadable"
    """An answer of unknown form."""


ADVICE: Mapping[ApiErrorKind, str] = {
    ApiErrorKind.CREDENTIAL: "onemsg.token must be the current token of the channel onemsg.channel_id",
    ApiErrorKind.BLOCKED: "the channel is on trial or its subscription is blocked: contact 1MSG",
    ApiErrorKind.NOT_FOUND: "are onemsg.base_url and onemsg.channel_id right?",
    ApiErrorKind.REFUSED: "1MSG refused the call",
    ApiErrorKind.UNAVAILABLE: "1MSG cannot be reached: is onemsg.base_url right, and does the network allow the call?",
    ApiErrorKind.UNREADABLE: "this is not an answer of 1MSG: is onemsg.base_url right?",
}
"""What to do about each."""


class OneMsgError(Exception):
    """A call failed. The text is safe to log: no token, no phone number, nothing of the body of a 401."""

    def __init__(self, trouble: ApiErrorKind, text: str, retry_after: Millis | None = None) -> None:
        super().__init__(text)
        self.kind = trouble
        self.retry_after = retry_after


def parse_response(
    status_code: int, headers: Mapping[str, str], body: bytes, *, now: Millis, hide: Sequence[str] = ()
) -> object:
    """Return the JSON document of an answer. Raises OneMsgError.

    A 200 that contains `error` is an error too (docs/1msg.md#listing-templates).
    """
    if 200 <= status_code < 300:
        try:
            document = lenient.decode(body)
        except lenient.NotJson:
            raise OneMsgError(ApiErrorKind.UNREADABLE, f"{status_code} with something that is not JSON") from None
        if lenient.mapping(document).get("error"):
            raise _refusal(status_code, read_body(headers, body).without(hide))
        return document
    raise _error(status_code, headers, body, now, hide)


def _error(status_code: int, headers: Mapping[str, str], body: bytes, now: Millis, hide: Sequence[str]) -> OneMsgError:
    said = read_body(headers, body).without(hide)
    words = f"{status_code} {mask_text(said.text)}".strip()
    if status_code == 401:
        return OneMsgError(ApiErrorKind.CREDENTIAL, "401: 1MSG does not take the token")
    if status_code == 403:
        return OneMsgError(ApiErrorKind.BLOCKED, words)
    if status_code in (404, 405):
        return OneMsgError(ApiErrorKind.NOT_FOUND, words)
    if 300 <= status_code < 400:
        return OneMsgError(ApiErrorKind.NOT_FOUND, f"{status_code}: redirects are not followed")
    if status_code in (408, 425, 429) or status_code >= 500:
        return OneMsgError(ApiErrorKind.UNAVAILABLE, words, parse_retry_after(headers, now))
    return _refusal(status_code, said)


def _refusal(status_code: int, said: ResponseBody) -> OneMsgError:
    if classify(said.code, said.text).reason == "credential":
        return OneMsgError(ApiErrorKind.CREDENTIAL, f"{status_code}: 1MSG does not take the token")
    return OneMsgError(ApiErrorKind.REFUSED, f"{status_code} {mask_text(said.text)}".strip())
