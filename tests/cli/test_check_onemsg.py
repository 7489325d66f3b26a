"""`lapse check` on 1MSG, against a stand-in that is right or wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import httpx
import pytest
from pydantic import SecretStr

from consumer.commands.check.onemsg import (
    check_connection,
    check_secret,
    check_templates,
    check_webhook,
    required_templates,
)
from consumer.config.sections.onemsg import OneMsgSettings
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.service import WebSettings
from consumer.config.sections.template import TemplateOverride, TemplateSettings
from consumer.config.types import Secret
from consumer.onemsg.client import OneMsgClient
from consumer.onemsg.templates.preflight import RequiredTemplate
from consumer.sandbox.app import Setup
from consumer.sandbox.server import Sandbox, running
from consumer.sandbox.templates import DEFAULT_TEMPLATES

T = TypeVar("T")
SECRET = SecretStr("a-secret-of-enough-characters")
PUBLIC = "https://lapse.example.com"
OURS = f"http://127.0.0.1:9/webhooks/1msg/{SECRET.get_secret_value()}"


@pytest.fixture
def fresh() -> Iterator[Sandbox]:
    """One whose settings a test may change."""
    with running(Setup()) as sandbox:
        yield sandbox


def asked(sandbox: Sandbox, question: Callable[[OneMsgClient], Awaitable[T]], token: str | None = None) -> T:
    """The answer to a question put to this stand-in."""

    async def ask() -> T:
        channel = OneMsgClient(
            base_url=sandbox.base_url, channel_id=sandbox.channel_id, token=token or sandbox.token, timeout_ms=5_000
        )
        async with channel:
            return await question(channel)

    return asyncio.run(ask())


def wanted(sandbox: Sandbox) -> RequiredTemplate:
    return RequiredTemplate(name=sandbox.template, namespace=sandbox.namespace, language=sandbox.language)


class TestTheChannel:
    def test_is_connected(self, onemsg: Sandbox) -> None:
        assert [str(line) for line in asked(onemsg, check_connection)] == [
            "✓ 1MSG: accepts the token for this channel",
            "✓ 1MSG channel: connected",
        ]

    def test_is_not_connected(self, fresh: Sandbox) -> None:
        httpx.post(f"{fresh.base_url}/_sandbox/channel", json={"status": "disconnected"}).raise_for_status()
        token, line = asked(fresh, check_connection)
        assert token.ok
        assert str(line).startswith("✗ 1MSG channel is disconnected: nothing can be sent until")

    def test_does_not_take_the_token(self, onemsg: Sandbox) -> None:
        (line,) = asked(onemsg, check_connection, token="hunter2")
        assert not line.ok
        assert "onemsg.token must be the current token" in line.advice
        assert "hunter2" not in str(line)

    def test_is_another_channel(self, onemsg: Sandbox) -> None:
        (line,) = asked(replace(onemsg, channel_id="CH404"), check_connection)
        assert "are onemsg.base_url and onemsg.channel_id right?" in line.advice

    def test_is_unreachable(self, onemsg: Sandbox) -> None:
        (line,) = asked(replace(onemsg, base_url="http://127.0.0.1:9"), check_connection)
        assert "1MSG cannot be reached: is onemsg.base_url right" in line.advice


class TestTheTemplate:
    def test_can_be_sent_and_its_category_is_shown(self, onemsg: Sandbox) -> None:
        (line,) = asked(onemsg, lambda channel: check_templates(channel, [wanted(onemsg)]))
        assert line.text == "template inactivity_reminder (en): approved, with the two variables, MARKETING"
        assert (line.ok, "no delivery to US numbers" in line.advice) == (True, True)

    @pytest.mark.parametrize(
        ("other", "advice"),
        [
            ({"name": "nobody_made_this"}, "create it and have it approved, or configure another one"),
            ({"language": "ja"}, "it exists in"),
            ({"namespace": "another"}, "write namespace: "),
            ({"ttl": 5}, "seconds, or leave it out"),
        ],
    )
    def test_cannot_be_sent(self, onemsg: Sandbox, other: dict[str, Any], advice: str) -> None:
        lines = asked(onemsg, lambda channel: check_templates(channel, [replace(wanted(onemsg), **other)]))
        assert [line for line in lines if not line.ok and advice in line.advice]
        assert not [line for line in lines if "approved, with" in line.text]

    def test_is_paused(self) -> None:
        paused = tuple(replace(template, status="PAUSED") for template in DEFAULT_TEMPLATES)
        with running(Setup(templates=paused)) as sandbox:
            line = asked(sandbox, lambda channel: check_templates(channel, [wanted(sandbox)]))[0]
        assert (line.ok, "PAUSED" in line.text) == (False, True)

    def test_is_checked_once_for_all_processes(self) -> None:
        section = OneMsgSettings(
            channel_id="CH1",
            token=Secret(env="T"),
            template=TemplateSettings(namespace="n", name="a", language="en"),
            ttl=None,
        )
        plain, own = TemplateOverride(), TemplateOverride(name="b")
        processes = {
            name: ProcessSettings(action="x", remind_after=("2h",), template=choice)  # type: ignore[arg-type]
            for name, choice in {"one": plain, "two": plain, "three": own}.items()
        }
        assert [each.name for each in required_templates(section, processes)] == ["a", "b"]

    def test_list_cannot_be_read(self, onemsg: Sandbox) -> None:
        (line,) = asked(onemsg, lambda channel: check_templates(channel, [wanted(onemsg)]), token="wrong")
        assert not line.ok


class TestTheWebhook:
    def test_may_be_missing(self) -> None:
        assert check_secret(None).ok

    def test_has_a_secret(self) -> None:
        assert check_secret(SECRET).ok

    def test_is_called_with_statuses(self, fresh: Sandbox) -> None:
        fresh.register("http://localhost:9/somebody/else", OURS)
        lines = asked(
            fresh, lambda channel: check_webhook(channel, WebSettings(public_url="http://127.0.0.1:9/"), SECRET)
        )
        assert [str(line) for line in lines] == [
            "✓ webhook: 1MSG calls this service; other webhooks on the list: 1",
            "✓ webhook: 1MSG reports statuses (ackNotificationsOn)",
        ]
        assert all(line.ok for line in asked(fresh, lambda channel: check_webhook(channel, WebSettings(), SECRET)))

    def test_is_not_called(self, fresh: Sandbox) -> None:
        line, _ = asked(fresh, lambda channel: check_webhook(channel, WebSettings(public_url=PUBLIC), SECRET))
        assert line.text == "webhook: 1MSG does not call this service"
        assert f"register {PUBLIC}/webhooks/1msg/<secret> at 1MSG" in line.advice
        assert SECRET.get_secret_value() not in str(line)

    def test_is_registered_at_another_address(self, fresh: Sandbox) -> None:
        fresh.register(OURS)
        assert not asked(fresh, lambda channel: check_webhook(channel, WebSettings(public_url=PUBLIC), SECRET))[0].ok

    def test_will_be_registered_by_the_service(self, fresh: Sandbox) -> None:
        web = WebSettings(public_url=PUBLIC, register_webhook=True)
        (line,) = asked(fresh, lambda channel: check_webhook(channel, web, SECRET))
        assert str(line) == "✓ webhook: will be registered with 1MSG at the start"

    def test_is_called_but_statuses_are_switched_off(self, fresh: Sandbox) -> None:
        fresh.register(OURS)

        async def off_and_asked(channel: OneMsgClient) -> str:
            await channel.set_settings(ackNotificationsOn=False)
            called, told = await check_webhook(channel, WebSettings(), SECRET)
            assert called.ok
            return told.advice

        assert asked(fresh, off_and_asked) == "set ackNotificationsOn to true for the channel"
