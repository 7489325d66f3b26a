"""What may be written into a channel's settings, and how they are shown (docs/1msg.md#webhook-registration). Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

import httpx

from consumer.sandbox.channel_state import ChannelSettings

MAX_WEBHOOKS: Final = 5

TOGGLES: Final[Mapping[str, str]] = {
    "ackNotificationsOn": "acks",
    "rawHooks": "raw",
    "guaranteedHooks": "guaranteed",
    "outgoingEchoOn": "echo",
    "template_analytics_enabled": "analytics",
    "cta_url_link_tracking_opted_out": "tracking",
}
"""1MSG's name of each switch, and ours. `outgoingEchoOn` is our invention: no source has 1MSG's name."""

_LOOPBACK: Final = frozenset({"localhost", "::1"})
_LOOPBACK_NET: Final = re.compile(r"127(\.[0-9]{1,3}){3}")
_COMMA: Final = re.compile(r",(?=https?://)")
_FLAGS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}


class RequestRefused(Exception):
    """The request cannot be carried out; the text says why."""


def with_webhooks(settings: ChannelSettings, value: Any, hosts: Collection[str]) -> ChannelSettings:
    """Return the settings with `value` as the new list: a URL, several in a list, or several between commas.

    `hosts` may be called back, besides this machine's loopback addresses.

    Raises:
        RequestRefused: a URL may not be called, or the value is something else.
    """
    urls = _COMMA.split(value) if isinstance(value, str) else value
    if not isinstance(urls, list) or not urls or not all(isinstance(url, str) for url in urls):
        raise RequestRefused("webhookUrl must be a URL or a list of URLs")
    if len(urls) > MAX_WEBHOOKS:
        raise RequestRefused(f"a channel has at most {MAX_WEBHOOKS} webhooks")
    for url in urls:
        _check_url(url, hosts)
    return replace(settings, webhooks=tuple(dict.fromkeys(urls)))


def updated(settings: ChannelSettings, body: Mapping[str, Any], hosts: Collection[str]) -> ChannelSettings:
    """Return the settings after a partial update. Raises RequestRefused.

    Unknown names are ignored; an empty `webhookUrl` clears the list.
    """
    switches: dict[str, Any] = {ours: _flag(name, body[name]) for name, ours in TOGGLES.items() if name in body}
    settings = replace(settings, **switches)
    if "webhookUrl" not in body:
        return settings
    value = body["webhookUrl"]
    return with_webhooks(settings, value, hosts) if value else replace(settings, webhooks=())


def shown(settings: ChannelSettings) -> dict[str, Any]:
    """Return the settings as `GET /settings` shows them."""
    switches = {name: getattr(settings, ours) for name, ours in TOGGLES.items()}
    return {"webhookUrl": shown_webhooks(settings), **switches}


def shown_webhooks(settings: ChannelSettings) -> str | list[str]:
    """Return one URL as a string, several as a list, none as an empty string."""
    return list(settings.webhooks) if len(settings.webhooks) > 1 else "".join(settings.webhooks)


def _check_url(url: str, hosts: Collection[str]) -> None:
    """Raise RequestRefused, with the host only in its text: the rest of a webhook's URL may be a secret."""
    try:
        parts = httpx.URL(url)  # parsed by the client that will call it, so that both mean the same host
        host, port = parts.host, parts.port
    except (httpx.InvalidURL, ValueError):
        raise RequestRefused("webhookUrl is not a URL") from None
    if (
        parts.scheme not in ("http", "https")
        or not host
        or parts.userinfo
        or not 1 <= (80 if port is None else port) <= 65535
    ):
        raise RequestRefused("webhookUrl must be an http or https URL")
    if host not in _LOOPBACK and host not in hosts and not _LOOPBACK_NET.fullmatch(host):
        raise RequestRefused(f"this sandbox calls back only to this machine (127.0.0.1, ::1, localhost), not to {host}")


def _flag(name: str, value: Any) -> bool:
    """Read a boolean, 0 or 1, or what a form makes of them."""
    flag = _FLAGS.get(str(value).lower()) if isinstance(value, (bool, int, str)) else None
    if flag is None:
        raise RequestRefused(f"{name} must be true or false")
    return flag
