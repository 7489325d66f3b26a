"""The sandbox's settings, and the ASGI application made of them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from starlette.applications import Starlette

from consumer.sandbox.channel_state import Channel, ChannelSettings, Now
from consumer.sandbox.faults.course import CourseRules
from consumer.sandbox.faults.fates import Habits
from consumer.sandbox.faults.fault_rates import parse
from consumer.sandbox.routes import Routes
from consumer.sandbox.send_template import SendTemplate
from consumer.sandbox.templates import DEFAULT_TEMPLATES, MessageTemplate
from consumer.sandbox.webhooks.webhook_sender import WebhookSender

KEEP: Final = 100_000
"""Messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The settings of a sandbox. Times in milliseconds, shares from 0 to 1."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 means any free port."""
    channel_id: str = "SBX100200300"
    token: str = "sandbox-token"  # noqa: S105 - public, as is everything in the sandbox
    namespace: str = "5a4db0c5_1a2b_4c3d_8e4f_5a6b7c8d9e0f"
    templates: tuple[MessageTemplate, ...] = DEFAULT_TEMPLATES
    seed: int = 0
    """Of everything that is drawn at random except faults, which have their own seed."""
    faults: str = ""
    """See `faults/fault_rates.py`."""
    fixed_fates: bool = True
    """Whether the last digits of a phone number choose its fate; see `faults/fates.py`."""
    habits: Habits = field(default_factory=Habits)
    latency: int = 0
    """Before every answer of `sendTemplate`."""
    rate: float | None = None
    """`sendTemplate` requests a second, beyond which the answer is 429; None: any number."""
    keep: int = KEEP
    """How many messages are remembered."""
    history: bool = True
    """Whether `GET /messages` lists any; otherwise it answers with a notice (docs/1msg.md#message-list)."""
    settings: ChannelSettings = field(default_factory=ChannelSettings)
    """The channel's settings at the start."""
    webhook_hosts: tuple[str, ...] = ()
    """Hosts that may be called back, besides this machine's loopback addresses."""
    disable_after: int | None = None
    """After so many failed calls in a row a webhook is disabled; None: never."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A sandbox ready to be served. Use its parts in the server's event loop only."""

    application: Starlette
    channel: Channel
    routes: Routes
    sender: SendTemplate


def assemble(setup: Setup, now: Now) -> Parts:
    """Build the application from its settings. Raises BadFaults."""
    rules = CourseRules(faults=parse(setup.faults), habits=setup.habits, seed=setup.seed, fixed_fates=setup.fixed_fates)
    channel = Channel(
        id=setup.channel_id,
        token=setup.token,
        namespace=setup.namespace,
        templates=setup.templates,
        settings=setup.settings,
        rate=setup.rate,
        keep=setup.keep,
        history=setup.history,
    )
    webhooks = WebhookSender(channel, now, disable_after=setup.disable_after)
    sender = SendTemplate(channel, webhooks, now, rules, setup.latency)
    routes = Routes(channel, webhooks, now, sender, setup.webhook_hosts)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        await webhooks.stop()

    return Parts(Starlette(routes=routes.all(), lifespan=lifespan), channel, routes, sender)
