"""The web pages of a process and the webhook, built from settings, and the listeners on which they are served."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from starlette.routing import Route

from consumer.config.types import millis
from consumer.kafka.dead_letters.topic_summary import summarize
from consumer.kafka.detect_loop.loop import DetectLoop
from consumer.web import routes
from consumer.web.api.actions import Actions
from consumer.web.api.brake import BrakeApi
from consumer.web.api.counters import Counters
from consumer.web.api.funnel import FunnelView
from consumer.web.api.insight import InsightView
from consumer.web.api.journal import JournalView
from consumer.web.api.needs import NeedsView
from consumer.web.api.now import NowView
from consumer.web.api.person import PersonView
from consumer.web.api.reuse import Reuse
from consumer.web.api.routes import Api, Views
from consumer.web.auth import ApiGuard, is_loopback
from consumer.web.bounded_http import connection_limit
from consumer.web.console import routes as console
from consumer.web.server import PortTaken, listen, serve
from consumer.web.session import ConsoleGuard
from consumer.web.wrong_secrets import WrongSecrets
from consumer.wiring import detect
from consumer.wiring.activity_reader import readable_activities_of
from consumer.wiring.deliver.role import Deliver
from consumer.wiring.deliver.settings import contact_rules, money_of
from consumer.wiring.shared import Shared, plain


class Web:
    """Listens from the beginning on; who connects meanwhile waits until `serve`."""

    def __init__(self, shared: Shared, *, receives_webhooks: bool) -> None:
        """Raise PortTaken if the process cannot listen on an address of its settings."""
        self._shared = shared
        web = shared.settings.web
        self._listener = listen(web.host, web.port)
        self._public: socket.socket | None = None
        if web.public and receives_webhooks:
            try:
                self._public = listen(web.public.host, web.public.port, "web.public.port")
            except PortTaken:
                self._listener.close()
                raise

    async def serve(
        self,
        deliver: Deliver | None,
        detect_loop: DetectLoop | None,
        closing: asyncio.Event,
        on_ready: Callable[[str], None],
    ) -> None:
        """Serve until `closing` is set. `on_ready` is called with the address of the pages once they answer."""
        s, health, clock = self._shared.settings, self._shared.health, self._shared.clock
        token = plain(s.web.api_token, "web.api_token") if s.web.api_token else None
        is_local, wrong_secrets = is_loopback(s.web.host), WrongSecrets(clock)
        guard = ApiGuard(token, open_to_this_machine=is_local, wrong_secrets=wrong_secrets)
        visitors = ConsoleGuard(token, open_to_this_machine=is_local, clock=clock, wrong_secrets=wrong_secrets)
        webhook = deliver.webhook() if deliver else None
        pages = routes.build(
            health=health,
            metrics=self._shared.metrics,
            webhook=None if self._public else webhook,
            probes={"ledger": deliver.probe} if deliver else {},
            api=pages_and_api(self._shared, deliver, detect_loop, guard, visitors),
            guard=guard,
        )
        most = connection_limit(listeners=2 if self._public else 1)
        async with asyncio.TaskGroup() as serving:
            serving.create_task(serve(pages, self._listener, closing, most=most))
            if self._public:
                serving.create_task(serve(routes.build_public(webhook), self._public, closing, most=most))
            on_ready(f"http://{s.web.host}:{self._listener.getsockname()[1]}")

    def close(self) -> None:
        """Stop listening, whether or not anything was served."""
        self._listener.close()
        if self._public:
            self._public.close()


def pages_and_api(
    shared: Shared,
    deliver: Deliver | None,
    detect_loop: DetectLoop | None,
    guard: ApiGuard,
    visitors: ConsoleGuard,
) -> list[Route]:
    """Return the routes of the console and of the API."""
    s, reuse = shared.settings, Reuse[Any](shared.clock)
    control = detect_loop.brake_control if detect_loop else None
    now = NowView(
        shared.clock,
        shared.health,
        deliver.ledger if deliver else None,
        Counters(shared.metrics),
        processes=list(s.processes),
        max_staleness=millis(s.policy.max_staleness),
        brake=control,
    )
    views = _views(shared, deliver, reuse) if deliver else None
    brake = BrakeApi(control, views.actions.note_release if views else None) if control else None
    api = Api(now, views, brake, reuse, needs_token=visitors.asks_for_token)
    return [*console.routes(api, visitors), *api.routes(guard)]


def _views(shared: Shared, deliver: Deliver, reuse: Reuse[Any]) -> Views:
    s, clock, ledger = shared.settings, shared.clock, deliver.ledger
    return Views(
        funnel=FunnelView(clock, ledger),
        person=PersonView(
            clock,
            ledger,
            contact_rules=contact_rules(s),
            lapse_rules=detect.rules(s),
            read_activities=lambda user, partitions: readable_activities_of(shared, user, partitions),
        ),
        needs=NeedsView(clock, ledger, lambda: summarize(shared.admin, s.topics.dead_letters)),
        insight=InsightView(
            clock,
            ledger,
            holdout=s.policy.holdout,
            dry_run=s.policy.dry_run,
            currency=s.prices.currency if s.prices else None,
            money_of=lambda delivered: money_of(s.prices, s.processes, delivered),
        ),
        journal=JournalView(ledger),
        actions=Actions(ledger, deliver.metrics, clock, processes=list(s.processes), changed=reuse.forget),
        processes=list(s.processes),
    )
