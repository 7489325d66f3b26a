"""What deliver looks after on 1MSG's side, against a stand-in: nothing there is a reason to stop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from consumer.clock import SECOND, SystemClock
from consumer.deliver.channel.template_status import TemplateStatuses
from consumer.deliver.channel.template_watcher import TemplateWatcher
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.client import OneMsgClient
from consumer.onemsg.templates.preflight import RequiredTemplate
from consumer.sandbox.app import Setup
from consumer.sandbox.server import Sandbox, running
from consumer.web.health import Health
from consumer.wiring.onemsg_upkeep import OneMsgUpkeep

PUBLIC, SECRET = "http://127.0.0.1:9", SecretStr("a-secret-of-enough-characters")
OURS = f"{PUBLIC}/webhooks/1msg/{SECRET.get_secret_value()}"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{tmp_path / 'lapse.db'}")
    yield opened
    opened.close()


def detail(health: Health, part: str) -> str:
    state = health.states()[part]
    assert state.ok
    return state.detail or ""


def kept_up(
    ledger: Ledger, sandbox: Sandbox, until: Callable[[Health], bool], *, base_url: str | None = None
) -> Health:
    """Looks after the channel until that is so."""

    async def story() -> Health:
        health, ended = Health(SystemClock().monotonic), asyncio.Event()
        url, token = base_url or sandbox.base_url, sandbox.token
        async with OneMsgClient(
            base_url=url, channel_id=sandbox.channel_id, token=token, timeout_ms=5 * SECOND
        ) as channel:
            wanted = RequiredTemplate(name=sandbox.template, namespace=sandbox.namespace, language=sandbox.language)
            metrics = DeliverMetrics(CollectorRegistry())
            watch = TemplateWatcher(
                channel, [wanted], TemplateStatuses(), ledger=ledger, medium="whatsapp", metrics=metrics
            )
            upkeep = OneMsgUpkeep(channel, watch, health, public_url=PUBLIC, secret=SECRET, every=SECOND)
            working = asyncio.create_task(upkeep.run(ended))
            await asyncio.wait_for(_either(upkeep.first_check_done(ended), health, until), 30)
            ended.set()
            await working
        return health

    return asyncio.run(story())


async def _either(looked: Awaitable[None], health: Health, until: Callable[[Health], bool]) -> None:
    await looked
    while not until(health):
        await asyncio.sleep(0.01)


def webhooks(sandbox: Sandbox) -> httpx.Response:
    bearer = {"Authorization": f"Bearer {sandbox.token}"}
    return httpx.get(f"{sandbox.base_url}/{sandbox.channel_id}/webhook", headers=bearer)


def test_a_channel_that_cannot_be_asked_holds_nothing_up(ledger: Ledger) -> None:
    with running(Setup()) as sandbox:
        health = kept_up(ledger, sandbox, lambda h: "registered" in detail(h, "webhook"), base_url="http://127.0.0.1:9")
    assert "not seen yet; not seen this time: connect" in detail(health, "templates")
    assert detail(health, "webhook").startswith("not registered: connect")


def test_a_full_list_of_others_is_told_and_left_alone(ledger: Ledger) -> None:
    others = [f"http://127.0.0.1:9/{n}" for n in range(5)]
    with running(Setup()) as sandbox:
        sandbox.register(*others)
        health = kept_up(ledger, sandbox, lambda h: "no_room" in detail(h, "webhook"))
        assert webhooks(sandbox).json()["webhookUrl"] == others
    assert "take one that is no longer needed off its list" in detail(health, "webhook")


def test_a_webhook_that_was_disabled_after_failures_is_enabled_again(ledger: Ledger) -> None:
    with running(Setup(disable_after=1)) as sandbox:
        sandbox.register(OURS)
        sandbox.write_back("15551230000", "hello")  # nobody listens there
        client = httpx.Client()
        while webhooks(sandbox).json()["webhookStatuses"] != {OURS: "disabled"}:
            client.get(sandbox.base_url)
        kept_up(ledger, sandbox, lambda h: detail(h, "webhook") == "registered; others on the list: 0")
        assert webhooks(sandbox).json()["webhookStatuses"] == {OURS: "active"}


def test_nothing_that_is_told_shows_the_secret(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    with running(Setup()) as sandbox:
        health = kept_up(ledger, sandbox, lambda h: "registered" in detail(h, "webhook"))
    said = capsys.readouterr()
    assert SECRET.get_secret_value() not in said.out + said.err + repr(health.states())
