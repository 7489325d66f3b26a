"""The section `fallback`: e-mail and a webhook of your own, for people whom WhatsApp cannot reach."""

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
"""A placeholder such as {name}. Other braces are text."""

_IN_TEXT = ("name", "action", "link")
_IN_LINK = ("process", "user_id", "reminder_id")


def _known(text: str, known: Collection[str]) -> None:
    for found in PLACEHOLDER.findall(text):
        if found not in known:
            raise ValueError(f"{{{found}}} is unknown: write one of {', '.join(f'{{{name}}}' for name in known)}")


def _text(value: str) -> str:
    _known(value, _IN_TEXT)
    return value


def _subject(value: str) -> str:
    if "\n" in value.strip() or "\r" in value.strip():
        raise ValueError("a subject must be a single line")
    return _text(value.strip())


def _link(value: str) -> str:
    _known(value, _IN_LINK)
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or "{" in parts.netloc or re.search(r"\s", value):
        raise ValueError("is not a link: write it like https://example.com/continue?process={process}")
    return value


def _mailbox(value: str) -> str:
    name, address = parseaddr(value)
    if normalize_email(address) is None or any(ord(c) < 32 for c in value) or (not name and address != value.strip()):
        raise ValueError("is not an address: write it like no-reply@example.com or Shop <no-reply@example.com>")
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


class _FallbackChannel(Section):
    text: Text
    """The message's text; {name}, {action} and {link} are filled in."""
    link: Link | None = None
    """The address for {link}; {process}, {user_id} and {reminder_id} are filled in, percent-encoded."""
    max_attempts: int = Field(default=5, ge=1)
    """After this many refused attempts the message has failed."""

    @model_validator(mode="after")
    def _link_is_set(self) -> "_FallbackChannel":
        if self.link is None and "{link}" in self.text:
            raise ValueError("text contains {link}, but link is not set")
        return self


class EmailFallbackSettings(_FallbackChannel):
    host: str = Field(min_length=1)
    """The mail server's host name."""
    port: int = Field(default=587, ge=1, le=65535)
    """The mail server's port; 465 with `tls: implicit`."""
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """`starttls`, or `implicit` (port 465): nothing is sent before the connection is encrypted and the certificate
    verified. `none`: no encryption."""
    user: str | None = None
    """The login name. Leave out `user` and `password` if the server needs no login."""
    password: Secret | None = None
    """The password of `user`."""
    sender: Mailbox = Field(alias="from")
    """The sender, such as `Shop <no-reply@example.com>`."""
    reply_to: Mailbox | None = None
    """The address for replies. Default: the sender."""
    subject: Subject
    """The subject, one line; {name} and {action} are filled in."""
    unsubscribe: tuple[Unsubscribe, ...] = ()
    """Links for the header List-Unsubscribe: `https://…` or `mailto:…`."""
    timeout: Duration = timedelta(seconds=30)
    """The longest time that sending one e-mail may take."""

    @model_validator(mode="after")
    def _user_has_a_password(self) -> "EmailFallbackSettings":
        if (self.user is None) != (self.password is None):
            raise ValueError("set both user and password, or neither")
        if self.user is not None and self.tls == "none":
            raise ValueError("a password must not be sent unencrypted: set tls to starttls or implicit")
        return self


class WebhookFallbackSettings(_FallbackChannel):
    url: Address
    """The address that receives a POST with JSON."""
    secret: Secret
    """The key with which each request is signed (HMAC-SHA256)."""
    timeout: Duration = timedelta(seconds=10)
    """The longest time that one request may take."""


class FallbackSettings(Section):
    """E-mail is tried first; where that is impossible too, the webhook."""

    email: EmailFallbackSettings | None = None
    """Send an e-mail."""
    webhook: WebhookFallbackSettings | None = None
    """Call an HTTP endpoint of your own."""
