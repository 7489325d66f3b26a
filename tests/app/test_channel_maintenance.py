"""ChannelMaintenance against a sandbox: nothing it finds stops the service."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from consumer.clock import SECOND, SystemClock
from consumer.config.sections.service import WEBHOOK_PATH
from consumer.deliver.channel.template_status import TemplateStatuses
from consumer.deliver.channel.template_watcher import TemplateWatcher
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.onemsg.client import OneMsgClient
from consumer.onemsg.templates.preflight import RequiredTemplate
from consumer.records import WHATSAPP
from consumer.sandbox.app import Setup
from consumer.sandbox.server import Sandbox, running
from consumer.web.health import Health
from consumer.wiring.deliver.channel_maintenance import ChannelMaintenance

PUBLIC, SECRET = "http://127.0.0.1:9", SecretStr("a-secret-of-enough-characters")
OURS = f"{PUBLIC}{WEBHOOK_PATH}{SECRET.get_secret_value()}"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{tmp_path / 'lapse.db'}")
    yield opened
    opened.close()


def detail(health: Health, part: str) -> str:
    state = health.states()[part]
    assert state.ready
    return state.detail or ""


def maintained_until(
    ledger: Ledger, sandbox: Sandbox, until: Callable[[Health], bool], *, base_url: str | None = None
) -> Health:
    """Run the maintenance until the condition holds."""

    async def story() -> Health:
        health, ended = Health(SystemClock().monotonic), asyncio.Event()
        url, token = base_url or sandbox.base_url, sandbox.token
        async with OneMsgClient(
            base_url=url, channel_id=sandbox.channel_id, token=token, timeout_ms=5 * SECOND
        ) as client:
            wanted = RequiredTemplate(name=sandbox.template, namespace=sandbox.namespace, language=sandbox.language)
            metrics = DeliverMetrics(CollectorRegistry())
            watcher = TemplateWatcher(
                client, [wanted], TemplateStatuses(), ledger=ledger, medium=WHATSAPP, metrics=metrics
            )
            maintenance = ChannelMaintenance(
                client, watcher, health, public_url=PUBLIC, secret=SECRET, interval_ms=SECOND
            )
            working = asyncio.create_task(maintenance.run(ended))
            await asyncio.wait_for(_first_check_and(maintenance.first_check_done(ended), health, until), 30)
            ended.set()
            await working
        return health

    return asyncio.run(story())


async def _first_check_and(first_check: Awaitable[None], health: Health, until: Callable[[Health], bool]) -> None:
    await first_check
    while not until(health):
        await asyncio.sleep(0.01)


def webhooks(sandbox: Sandbox) -> httpx.Response:
    bearer = {"Authorization": f"Bearer {sandbox.token}"}
    return httpx.get(f"{sandbox.base_url}/{sandbox.channel_id}/webhook", headers=bearer)


def test_unreachable_channel_does_not_block_the_start(ledger: Ledger) -> None:
    with running(Setup()) as sandbox:
        health = maintained_until(
            ledger, sandbox, lambda h: "registered" in detail(h, "webhook"), base_url="http://127.0.0.1:9"
        )
    assert "not listed yet; not listed this time: connect" in detail(health, "templates")
    assert detail(health, "webhook").startswith("not registered: connect")
    assert not any(state.ok for state in health.states().values())


def test_full_webhook_list_is_reported_and_left_alone(ledger: Ledger) -> None:
    others = [f"http://127.0.0.1:9/{n}" for n in range(5)]
    with running(Setup()) as sandbox:
        sandbox.register(*others)
        health = maintained_until(ledger, sandbox, lambda h: "no_room" in detail(h, "webhook"))
        assert webhooks(sandbox).json()["webhookUrl"] == others
    assert "remove one that is no longer needed" in detail(health, "webhook")


def test_disabled_webhook_is_enabled_again(ledger: Ledger) -> None:
    with running(Setup(disable_after=1)) as sandbox:
        sandbox.register(OURS)
        sandbox.write_back("15551230000", "hello")  # there is no listener
        client = httpx.Client()
        while webhooks(sandbox).json()["webhookStatuses"] != {OURS: "disabled"}:
            client.get(sandbox.base_url)
        maintained_until(ledger, sandbox, lambda h: detail(h, "webhook") == "registered; others on the list: 0")
        assert webhooks(sandbox).json()["webhookStatuses"] == {OURS: "active"}


def test_secret_is_in_no_output(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    with running(Setup()) as sandbox:
        health = maintained_until(ledger, sandbox, lambda h: "registered" in detail(h, "webhook"))
    printed = capsys.readouterr()
    assert SECRET.get_secret_value() not in printed.out + printed.err + repr(health.states())
