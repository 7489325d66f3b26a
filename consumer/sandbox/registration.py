"""What may be written into a channel's settings, and how they are shown (contract §7). Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

import httpx

from consumer.sandbox.state import Settings

MOST_WEBHOOKS: Final = 5

TOGGLES: Final[Mapping[str, str]] = {
    "ackNotificationsOn": "acks",
    "rawHooks": "raw",
    "guaranteedHooks": "guaranteed",
    "outgoingEchoOn": "echo",
    "template_analytics_enabled": "analytics",
    "cta_url_link_tracking_opted_out": "tracking",
}
"""1MSG's name of each switch, and ours. `outgoingEchoOn` is our own: no source names 1MSG's (contract §8.2)."""

_LOOPBACK: Final = frozenset({"localhost", "::1"})
_LOOPBACK_NET: Final = re.compile(r"127(\.[0-9]{1,3}){3}")
_COMMA: Final = re.compile(r",(?=https?://)")
_FLAGS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}


class Refused(Exception):
    """A request that cannot be carried out; the text says why."""


def with_webhooks(settings: Settings, value: Any, hosts: Collection[str]) -> Settings:
    """`value` (a URL, several in a list, or several between commas) replaces the list. Raises Refused.

    `hosts` may be called back beside this machine's loopback.
    """
    urls = _COMMA.split(value) if isinstance(value, str) else value
    if not isinstance(urls, list) or not urls or not all(isinstance(url, str) for url in urls):
        raise Refused("webhookUrl must be a URL or a list of URLs")
    if len(urls) > MOST_WEBHOOKS:
        raise Refused(f"a channel has at most {MOST_WEBHOOKS} webhooks")
    for url in urls:
        _check_url(url, hosts)
    return replace(settings, webhooks=tuple(dict.fromkeys(urls)))


def updated(settings: Settings, body: Mapping[str, Any], hosts: Collection[str]) -> Settings:
    """A partial update: unknown names are ignored, an empty `webhookUrl` clears the list. Raises Refused."""
    switches: dict[str, Any] = {ours: _flag(name, body[name]) for name, ours in TOGGLES.items() if name in body}
    settings = replace(settings, **switches)
    if "webhookUrl" not in body:
        return settings
    value = body["webhookUrl"]
    return with_webhooks(settings, value, hosts) if value else replace(settings, webhooks=())


def shown(settings: Settings) -> dict[str, Any]:
    """As `GET /settings` shows them."""
    switches = {name: getattr(settings, ours) for name, ours in TOGGLES.items()}
    return {"webhookUrl": shown_webhooks(settings), **switches}


def shown_webhooks(settings: Settings) -> str | list[str]:
    """One URL as a string, several as a list, none as an empty string."""
    return list(settings.webhooks) if len(settings.webhooks) > 1 else "".join(settings.webhooks)


def _check_url(url: str, hosts: Collection[str]) -> None:
    """Its texts name the host only: the rest of a webhook's URL may be a secret."""
    try:
        parts = httpx.URL(url)  # read by what will call it, so that both mean the same host
        host, port = parts.host, parts.port
    except (httpx.InvalidURL, ValueError):
        raise Refused("webhookUrl is not a URL") from None
    if (
        parts.scheme not in ("http", "https")
        or not host
        or parts.userinfo
        or not 1 <= (80 if port is None else port) <= 65535
    ):
        raise Refused("webhookUrl must be an http or https URL")
    if host not in _LOOPBACK and host not in hosts and not _LOOPBACK_NET.fullmatch(host):
        raise Refused(f"this sandbox calls back only to this machine (127.0.0.1, ::1, localhost), not to {host}")


def _flag(name: str, value: Any) -> bool:
    """A boolean, 0 or 1, or what a form makes of them."""
    flag = _FLAGS.get(str(value).lower()) if isinstance(value, (bool, int, str)) else None
    if flag is None:
        raise Refused(f"{name} must be true or false")
    return flag
