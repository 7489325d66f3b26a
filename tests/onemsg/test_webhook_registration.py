"""docs/1msg.md#webhook-registration: our address among others', pure and against a channel over HTTP."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from consumer.onemsg.client import OneMsgClient, OneMsgError
from consumer.onemsg.webhook.registration import (
    AlreadyRegistered,
    Registered,
    RegistrationPlan,
    RegistrationRefused,
    WriteUrls,
    plan,
    register,
)
from tests.onemsg.scripted_server import Asked, answer, serving

OURS = "https://us.example/webhooks/1msg/secret"
FORMER = "https://us.example/webhooks/1msg/"
INBOX = "https://inbox.1msg.example/hook"
FOUR = tuple(f"https://other.example/{n}" for n in range(4))


@pytest.mark.parametrize(
    ("current", "more", "decided"),
    [
        ((), {}, WriteUrls((OURS,))),
        ((INBOX,), {}, WriteUrls((INBOX, OURS))),
        ((INBOX, OURS), {}, AlreadyRegistered()),
        ((f"{OURS}/", INBOX), {}, AlreadyRegistered()),
        ((OURS, INBOX), {"renew": True}, WriteUrls((INBOX, OURS))),
        (FOUR, {}, WriteUrls((*FOUR, OURS))),
        ((*FOUR, OURS), {}, AlreadyRegistered()),
        ((OURS, f"{OURS}/"), {}, WriteUrls((OURS,))),
        ((f"{FORMER}old", INBOX), {"former": FORMER}, WriteUrls((INBOX, OURS))),
        ((f"{FORMER}old", INBOX), {}, WriteUrls((f"{FORMER}old", INBOX, OURS))),
        ((f"{FORMER}old", OURS), {"former": FORMER}, WriteUrls((OURS,))),
        ((OURS,), {"former": FORMER}, AlreadyRegistered()),
        ((f"{FORMER}old", *FOUR), {"former": FORMER}, WriteUrls((*FOUR, OURS))),
    ],
)
def test_plan_keeps_other_addresses_and_adds_ours(
    current: tuple[str, ...], more: dict[str, Any], decided: RegistrationPlan
) -> None:
    assert plan(current, OURS, **more) == decided


def test_five_other_addresses_leave_no_room() -> None:
    refusal = plan((*FOUR, INBOX), OURS)
    assert isinstance(refusal, RegistrationRefused)
    assert refusal.reason == "no_room"
    assert "other.example" not in refusal.advice


class Hooked:
    """A channel's addresses and settings, over HTTP, with what others do to them meanwhile."""

    def __init__(
        self, urls: list[str], *, acks: object = True, between: Callable[[int], list[str] | None] | None = None
    ):
        self.urls = urls
        self.settings: dict[str, object] = {"ackNotificationsOn": acks}
        self.calls: list[str] = []
        self._between = between
        self.keeps: Callable[[list[str]], list[str]] = lambda urls: urls
        self.stubborn = False
        self.disabled: list[str] = []

    async def play(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        method = asked.path.rsplit("/", 1)[1]
        self.calls.append(f"{asked.verb} {method}")
        await answer(self._answer(asked, method))(asked, writer)

    def _answer(self, asked: Asked, method: str) -> object:
        if method == "settings":
            if asked.verb == "POST" and not self.stubborn:
                self.settings.update(json.loads(asked.body))
            return self.settings
        if asked.verb == "POST":
            given = json.loads(asked.body)["webhookUrl"]
            self.urls = self.keeps([given] if isinstance(given, str) else given)
            self.disabled = []
            return {"set": True, "message": "ok"}
        reads = self.calls.count("GET webhook")
        changed = self._between(reads) if self._between else None
        self.urls = changed if changed is not None else self.urls
        return {"webhookUrl": self.urls, "webhookStatuses": dict.fromkeys(self.disabled, "disabled")}


def registering(channel: Hooked, **more: Any) -> Registered | RegistrationRefused:
    async def story() -> Registered | RegistrationRefused:
        async with serving(channel.play) as server, server.client() as client:
            return await register(client, OURS, **more)

    return asyncio.run(story())


def test_list_is_read_twice_written_once_read_back() -> None:
    channel = Hooked([INBOX])
    assert registering(channel) == Registered(others=1, written=True, reports_on=True)
    assert channel.urls == [INBOX, OURS]
    assert channel.calls == ["GET webhook", "GET webhook", "POST webhook", "GET webhook", "GET settings"]


def test_registered_address_is_not_written_again() -> None:
    channel = Hooked([INBOX, f"{OURS}/"])
    assert registering(channel) == Registered(others=1, written=False, reports_on=True)
    assert "POST webhook" not in channel.calls


def test_disabled_address_is_enabled_by_rewriting() -> None:
    channel = Hooked([INBOX, OURS])
    channel.disabled = [OURS]
    assert registering(channel) == Registered(others=1, written=True, reports_on=True)
    assert (channel.urls, channel.disabled) == ([INBOX, OURS], [])


def test_disabled_address_of_others_is_left_alone() -> None:
    channel = Hooked([INBOX, OURS])
    channel.disabled = [INBOX]
    assert registering(channel) == Registered(others=1, written=False, reports_on=True)


def test_address_added_meanwhile_is_kept() -> None:
    channel = Hooked([INBOX], between=lambda reads: [INBOX, "https://new.example"] if reads == 2 else None)
    assert registering(channel) == Registered(others=2, written=True, reports_on=True)
    assert channel.urls == [INBOX, "https://new.example", OURS]


def test_changing_list_is_left_alone() -> None:
    channel = Hooked([], between=lambda reads: [f"https://other.example/{reads}"])
    refusal = registering(channel)
    assert isinstance(refusal, RegistrationRefused)
    assert refusal.reason == "list_in_use"
    assert "POST webhook" not in channel.calls


def test_full_list_is_left_alone() -> None:
    channel = Hooked([*FOUR, INBOX])
    refusal = registering(channel)
    assert isinstance(refusal, RegistrationRefused)
    assert refusal.reason == "no_room"
    assert channel.calls == ["GET webhook"]


def test_list_without_ours_after_writing_is_reported() -> None:
    channel = Hooked([INBOX])
    channel.keeps = lambda urls: urls[:1]
    refusal = registering(channel)
    assert isinstance(refusal, RegistrationRefused)
    assert refusal.reason == "not_kept"


def test_lost_addresses_are_reported() -> None:
    channel = Hooked([INBOX])
    channel.keeps = lambda urls: urls[1:]
    refusal = registering(channel)
    assert isinstance(refusal, RegistrationRefused)
    assert refusal.reason == "others_lost"


@pytest.mark.parametrize("acks", [False, "false", None, 0])
def test_status_reports_are_enabled(acks: object) -> None:
    channel = Hooked([OURS], acks=acks)
    assert registering(channel) == Registered(others=0, written=False, reports_on=True)
    assert channel.settings["ackNotificationsOn"] is True
    assert channel.calls[-3:] == ["GET settings", "POST settings", "GET settings"]


def test_status_reports_that_stay_off_are_reported() -> None:
    channel = Hooked([OURS], acks=False)
    channel.stubborn = True
    assert registering(channel) == Registered(others=0, written=False, reports_on=False)


def test_unreadable_list_is_not_written() -> None:
    async def story(call: Callable[[OneMsgClient], Awaitable[object]]) -> list[str]:
        async with serving(answer({"webhookUrl": [{"url": INBOX}]})) as server, server.client() as client:
            with pytest.raises(OneMsgError):
                await call(client)
            return [asked.verb for asked in server.asked]

    assert asyncio.run(story(lambda client: register(client, OURS))) == ["GET"]


def test_repr_has_no_address() -> None:
    told = repr(plan((INBOX,), OURS)) + repr(registering(Hooked([INBOX])))
    assert "secret" not in told
    assert "inbox" not in told
