"""Every answer `sendTemplate` can give, with its text. Pure.

The rows are those of docs/1msg.md#answers-to-sendtemplate.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from consumer.sandbox.meta_errors import META_ERRORS, MetaError


class Answer(StrEnum):
    """The kind of answer to a valid request: `OK`, unless a fate or a fault says otherwise."""

    OK = "ok"
    CREATED = "created"
    SERVER_ERROR = "5xx"
    HANGUP = "hangup"
    REFUSED = "refuse"
    QUEUED = "queued"
    STRING_FALSE = "string_false"
    HTML = "html"
    RATE_LIMITED = "429"
    RATE_LIMITED_AFTER = "429_after"
    NO_ID = "no_id"
    CALLING_ERROR = "calling_error"


JSON_TYPE: Final = b"application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. The statistics count it under `kind`."""

    kind: str
    status: int
    body: bytes
    content_type: bytes = JSON_TYPE
    retry_after: int | None = None
    """Seconds, for the header `Retry-After`."""


def to_json(value: Any) -> bytes:
    """Return compact JSON, in ASCII only, so that a lone surrogate in a request cannot break the answer."""
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def json_reply(kind: str, status: int, value: Any) -> Reply:
    """Return an answer with `value` as its JSON body."""
    return Reply(kind, status, to_json(value))


def accepted(message_id: str, recipient: str, status: int = 200) -> Reply:
    """Row A. `recipient` is a chat id in the form in which the request had it."""
    value = {
        "sent": True,
        "id": message_id,
        "message": f"Sent to {recipient}",
        "description": "Message has been sent to the provider",
    }
    return json_reply("accepted", status, value)


def refused(error: MetaError) -> Reply:
    """Row B: 200, but not sent, with Meta's error beside the text."""
    value = {"sent": False, "message": f"(#{error.code}) {error.title}", "error": error.as_error()}
    return json_reply("refused", 200, value)


def refused_in_words(text: str) -> Reply:
    """Row B without an error code."""
    return json_reply("refused", 200, {"sent": False, "message": text})


def bad_request(text: str) -> Reply:
    """Row D."""
    return json_reply("bad_request", 400, {"message": text})


def wrong_token(presented: str, channel_id: str) -> Reply:
    """Row E: repeats the presented token, as 1MSG's example of 2023 does. A client must not log it."""
    text = f'Wrong token "{presented[:512]}" for channel "{channel_id}". Please provide token as a GET parameter.'
    return json_reply("wrong_token", 401, {"error": text})


def blocked() -> Reply:
    """Row F."""
    return Reply("blocked", 403, b"Subscription is blocked", b"text/plain; charset=utf-8")


def wrong_channel() -> Reply:
    """Row G."""
    return json_reply("wrong_channel", 404, {"message": "There is no such channel"})


def unprocessable(text: str) -> Reply:
    """Row H."""
    return json_reply("unprocessable", 422, {"message": text})


def rate_limited(retry_after: int | None = None) -> Reply:
    """Row I; `retry_after` in seconds."""
    return Reply("rate_limited", 429, to_json({"message": "rate limit"}), retry_after=retry_after)


REFUSALS: Final[tuple[Reply, ...]] = (
    refused(META_ERRORS[131016]),
    refused(META_ERRORS[131000]),
    refused(META_ERRORS[130429]),
    refused(META_ERRORS[135000]),
    refused_in_words("Too many requests, please try again later"),
)
"""The answers of the fault `refuse`: passing problems of the provider, and one final refusal of the message."""

_FIXED: Final[dict[Answer, Reply]] = {
    Answer.SERVER_ERROR: Reply("server_error", 502, b"Bad Gateway", b"text/plain; charset=utf-8"),
    Answer.STRING_FALSE: json_reply("refused", 200, {"sent": "false", "message": "Message was not sent"}),
    Answer.HTML: Reply(
        "html", 200, b"<!doctype html><title>One moment</title><p>Please wait.</p>", b"text/html; charset=utf-8"
    ),
    Answer.RATE_LIMITED: rate_limited(),
    Answer.NO_ID: json_reply("no_id", 200, {"sent": True, "message": "Message has been sent to the provider"}),
    Answer.CALLING_ERROR: json_reply("refused", 200, {"response": {"error": "Channel cannot take this message now"}}),
}


def fixed(answer: Answer, job: int) -> Reply:
    """Return an answer without a message id; `job` is the `jobId` of row C.

    Raises:
        KeyError: answers of this kind have a message id, or depend on the request.
    """
    if answer is Answer.QUEUED:
        return json_reply("queued", 200, {"sent": False, "jobId": str(job), "message": "queued"})
    return _FIXED[answer]
