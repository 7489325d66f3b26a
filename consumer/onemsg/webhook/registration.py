"""Adds our webhook to the channel's list, and never removes anybody else's (docs/1msg.md#webhook-registration).

1. Read the list. 2. Decide. 3. Read it again: somebody else may be changing it. 4. Write the whole list.
5. Read it back. 6. Make sure that 1MSG reports statuses (`ackNotificationsOn`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from consumer.onemsg.http import lenient_json as lenient

MAX_URLS = 5
"""How many URLs a channel can have."""

_MAX_READS = 3


@dataclass(frozen=True, slots=True)
class AlreadyRegistered:
    """Our address is on the list already."""


@dataclass(frozen=True, slots=True)
class WriteUrls:
    """The list to write: the other addresses unchanged, and ours."""

    urls: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RegistrationRefused:
    """Our address cannot be added. `reason` is a label, `advice` says what to do."""

    reason: str
    advice: str


RegistrationPlan = AlreadyRegistered | WriteUrls | RegistrationRefused


@dataclass(frozen=True, slots=True)
class Destinations:
    """The addresses to which a channel reports. URLs may contain secrets. `disabled` are not called any more."""

    urls: tuple[str, ...] = field(repr=False)
    disabled: frozenset[str] = field(default=frozenset(), repr=False)

    def is_disabled(self, url: str) -> bool:
        return any(_same(each, url) for each in self.disabled)


@dataclass(frozen=True, slots=True)
class Registered:
    """Our address is on the list, read back. `others`: how many others there are; `written`: the list was changed."""

    others: int
    written: bool
    reports_on: bool
    """`ackNotificationsOn`, read back; without it 1MSG reports no statuses."""


def disabled_among(statuses: object) -> frozenset[str]:
    """Return the URLs that `webhookStatuses` calls disabled. Its form is not known
    (docs/1msg.md#webhook-registration): a status by URL,
    or items with both, as text or as a flag. What cannot be read is ignored."""
    if isinstance(statuses, dict):
        return frozenset(str(url) for url, status in statuses.items() if _is_off(status))
    items = [lenient.mapping(item) for item in lenient.items(statuses)]
    urls = ((lenient.coalesce(lenient.text(i.get("url")), lenient.text(i.get("webhookUrl"))), i) for i in items)
    return frozenset(url for url, item in urls if url and _is_off(item))


def _is_off(status: object) -> bool:
    given = lenient.mapping(status)
    words = (
        lenient.text(status) or lenient.text(given.get("status")) or lenient.text(given.get("state")) or ""
    ).lower()
    flagged = [lenient.boolean(given.get("disabled")) is True]
    flagged += [lenient.boolean(given.get(name)) is False for name in ("enabled", "active", "isActive")]
    return words in ("disabled", "inactive") or any(flagged)


class ChannelSettingsApi(Protocol):
    """The calls of 1MSG that registration needs."""

    async def webhook(self) -> Destinations: ...
    async def set_webhook(self, urls: Sequence[str]) -> None: ...
    async def settings(self) -> Mapping[str, object]: ...
    async def set_settings(self, **partial: object) -> Mapping[str, object]: ...


def plan(current: Sequence[str], ours: str, *, former: str | None = None, renew: bool = False) -> RegistrationPlan:
    """Return what to write so that `ours` is on the list. URLs that begin with `former` are our old ones: they go.

    `renew` writes the list even if ours is on it: that enables a disabled address again.
    """
    theirs = [url for url in current if not _same(url, ours) and not _was_ours(url, former)]
    if len(theirs) >= MAX_URLS:
        return RegistrationRefused(
            "no_room",
            f"the channel already reports to {len(theirs)} other addresses, and {MAX_URLS} is the maximum: "
            "remove one that is no longer needed",
        )
    there = any(_same(url, ours) for url in current)
    if there and not renew and len(theirs) + 1 == len(current):
        return AlreadyRegistered()
    return WriteUrls((*theirs, ours))


async def register(
    channel: ChannelSettingsApi, ours: str, *, former: str | None = None
) -> Registered | RegistrationRefused:
    """Do all steps. Raises OneMsgError if a call fails."""
    decided = await _decide(channel, ours, former)
    if isinstance(decided, RegistrationRefused):
        return decided
    if isinstance(decided, WriteUrls):
        await channel.set_webhook(decided.urls)
    now_there = (await channel.webhook()).urls
    if not any(_same(url, ours) for url in now_there):
        return RegistrationRefused(
            "not_kept", "1MSG accepted the list but does not show our address on it: check the channel"
        )
    if isinstance(decided, WriteUrls) and not _all_there(decided.urls, now_there):
        return RegistrationRefused(
            "others_lost", "1MSG shows fewer addresses than were written: check the channel at once"
        )
    others = sum(not _same(url, ours) for url in now_there)
    return Registered(others, isinstance(decided, WriteUrls), await _reports_on(channel))


async def _decide(channel: ChannelSettingsApi, ours: str, former: str | None) -> RegistrationPlan:
    """Do steps 1 to 3; return a plan for a list that did not change meanwhile."""
    seen = await channel.webhook()
    for _ in range(_MAX_READS):
        decided = plan(seen.urls, ours, former=former, renew=seen.is_disabled(ours))
        if not isinstance(decided, WriteUrls):
            return decided
        again = await channel.webhook()
        if again == seen:
            return decided
        seen = again
    return RegistrationRefused("list_in_use", "somebody else keeps changing the channel's addresses: try again later")


async def _reports_on(channel: ChannelSettingsApi) -> bool:
    """Do step 6; return whether statuses are reported."""
    if lenient.boolean((await channel.settings()).get("ackNotificationsOn")):
        return True
    await channel.set_settings(ackNotificationsOn=True)
    return lenient.boolean((await channel.settings()).get("ackNotificationsOn")) is True


def _same(one: str, other: str) -> bool:
    return one.strip().rstrip("/") == other.strip().rstrip("/")


def _was_ours(url: str, former: str | None) -> bool:
    return bool(former) and url.strip().startswith(former or "")


def _all_there(written: Sequence[str], shown: Sequence[str]) -> bool:
    return all(any(_same(url, there) for there in shown) for url in written)
