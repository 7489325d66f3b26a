"""The section `fallback`: other ways to somebody whom WhatsApp cannot reach at all."""

import re
from collections.abc import Collection
from datetime import timedelta
from email.utils import parseaddr
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from consumer.config.types import Address, Duration, Secret, Section
from consumer.email_address import normalize_email

PLACEHOLDER = re.compile(r"\{(\w*)\}")
"""What is filled in: {name}. Other braces are text."""

_IN_TEXT = ("name", "action", "link")
_IN_LINK = ("process", "user_id", "reminder_id")


def _known(text: str, known: Collection[str]) -> None:
    for found in PLACEHOLDER.findall(text):
        if found not in known:
            raise ValueError(
                f"{{{found}}} is filled by nothing: there are {', '.join(f'{{{name}}}' for name in known)}"
            )


def _text(value: str) -> str:
    _known(value, _IN_TEXT)
    return value


def _subject(value: str) -> str:
    if "\n" in value.strip() or "\r" in value.strip():
        raise ValueError("a subject is one line")
    return _text(value.strip())


def _link(value: str) -> str:
    _known(value, _IN_LINK)
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or "{" in parts.netloc or re.search(r"\s", value):
        raise ValueError("is no link: write it like https://example.com/continue?process={process}")
    return value


def _mailbox(value: str) -> str:
    name, address = parseaddr(value)
    if normalize_email(address) is None or any(ord(c) < 32 for c in value) or (not name and address != value.strip()):
        raise ValueError("is no address: write it like no-reply@example.com or Shop <no-reply@example.com>")
    return value


def _unsubscribe(value: str) -> str:
    if not re.fullmatch(r"(https://|mailto:)[\x21-\x3b\x3d\x3f-\x7e]+", value):
        raise ValueError("write where people unsubscribe: https://example.com/unsubscribe or mailto:stop@example.com")
    return value


Text = Annotated[str, Field(min_length=1, max_length=20_000), AfterValidator(_text)]
Subject = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_subject)]
Link = Annotated[str, AfterValidator(_link)]
Mailbox = Annotated[str, AfterValidator(_mailbox)]
Unsubscribe = Annotated[str, AfterValidator(_unsubscribe)]


class _Way(Section):
    text: Text
    """What is written, with {name}, {action} and {link}."""
    link: Link | None = None
    """What {link} is, with {process}, {user_id} and {reminder_id}, made safe to stand in an address."""
    max_attempts: int = Field(default=5, ge=1)
    """How many refusals of a message end its row."""

    @model_validator(mode="after")
    def _links_somewhere(self) -> "_Way":
        if self.link is None and "{link}" in self.text:
            raise ValueError("text has {link}, and no link is set")
        return self


class EmailFallbackSettings(_Way):
    host: str = Field(min_length=1)
    """The mail server."""
    port: int = Field(default=587, ge=1, le=65535)
    """Its port; 465 with `tls: implicit`."""
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """`starttls` and `implicit` (port 465) send nothing before the connection is encrypted and its certificate good."""
    user: str | None = None
    """Left out together with `password` where the server asks for none."""
    password: Secret | None = None
    """Belongs to `user`."""
    sender: Mailbox = Field(alias="from")
    """The sender, as `Shop <no-reply@example.com>`."""
    reply_to: Mailbox | None = None
    """Where answers go; unset, to the sender."""
    subject: Subject
    """One line with {name} and {action}."""
    unsubscribe: tuple[Unsubscribe, ...] = ()
    """Links for the header List-Unsubscribe."""
    timeout: Duration = timedelta(seconds=30)
    """How long one message may take."""

    @model_validator(mode="after")
    def _user_has_a_password(self) -> "EmailFallbackSettings":
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password belong together")
        if self.user is not None and self.tls == "none":
            raise ValueError("a password is not sent over a connection that anybody can read: set tls")
        return self


class WebhookFallbackSettings(_Way):
    url: Address
    """Where a POST of JSON goes."""
    secret: Secret
    """What each request is signed with."""
    timeout: Duration = timedelta(seconds=10)
    """How long one request may take."""


class FallbackSettings(Section):
    """In this order: by e-mail, and where that is impossible too, by a webhook of the company's own."""

    email: EmailFallbackSettings | None = None
    """By e-mail."""
    webhook: WebhookFallbackSettings | None = None
    """By an endpoint of the company's own."""
