"""The sandbox put together: its settings, and the ASGI application made of them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from starlette.applications import Starlette

from consumer.sandbox.callbacks import Callbacks
from consumer.sandbox.course import Rules
from consumer.sandbox.fates import Habits
from consumer.sandbox.faults import parse
from consumer.sandbox.routes import Routes
from consumer.sandbox.sending import SendTemplate
from consumer.sandbox.state import Channel, Now, Settings
from consumer.sandbox.templates import DEFAULT_TEMPLATES, Template

KEEP: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a sandbox can be told. Times in milliseconds, shares from 0 to 1."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any free one."""
    channel_id: str = "SBX100200300"
    token: str = "sandbox-token"  # noqa: S105 - known to everybody, as the sandbox is
    namespace: str = "5a4db0c5_1a2b_4c3d_8e4f_5a6b7c8d9e0f"
    templates: tuple[Template, ...] = DEFAULT_TEMPLATES
    seed: int = 0
    """Of everything that is drawn but the faults, which have their own."""
    faults: str = ""
    """See `faults`."""
    fixed_fates: bool = True
    """Whether phone numbers choose their fate; see `fates`."""
    habits: Habits = field(default_factory=Habits)
    latency: int = 0
    """Before every answer of `sendTemplate`."""
    rate: float | None = None
    """`sendTemplate` requests a second, beyond which the answer is 429; None: any number."""
    keep: int = KEEP
    """How many messages are remembered."""
    history: bool = True
    """Whether `GET /messages` has any; without, it answers with a notice (contract §5)."""
    settings: Settings = field(default_factory=Settings)
    """The channel's settings at the start."""
    webhook_hosts: tuple[str, ...] = ()
    """Hosts that may be called back beside this machine's loopback."""
    webhook_concurrency: int = 1
    """Calls that may be under way to one webhook; with one the order of events is kept."""
    disable_after: int | None = None
    """Calls of a webhook that may fail in a row before it is called no more; None: any number."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A sandbox ready to be served, and where its state can be asked for (in the server's event loop only)."""

    application: Starlette
    channel: Channel
    routes: Routes
    sender: SendTemplate


def assemble(setup: Setup, now: Now) -> Parts:
    """Raises BadFaults."""
    rules = Rules(faults=parse(setup.faults), habits=setup.habits, seed=setup.seed, fixed_fates=setup.fixed_fates)
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
    callbacks = Callbacks(channel, now, concurrency=setup.webhook_concurrency, disable_after=setup.disable_after)
    sender = SendTemplate(channel, callbacks, now, rules, setup.latency)
    routes = Routes(channel, callbacks, now, sender, setup.webhook_hosts)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        await callbacks.stop()

    return Parts(Starlette(routes=routes.all(), lifespan=lifespan), channel, routes, sender)
