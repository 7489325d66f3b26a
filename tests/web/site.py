"""The console and its API as a service serves them, on the ledger of a diary."""

import threading
from concurrent.futures import Future
from typing import Any

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from consumer.clock import DAY, HOUR, MINUTE, Clock
from consumer.config.sections.prices import PriceSettings
from consumer.detect.brake import BrakeRules
from consumer.detect.lapse_rules import LapseRules
from consumer.insight.backtest import Backtest, Price, Silences, StepResult, Threshold
from consumer.insight.explanation import ContactRules
from consumer.insight.published_backtest import PublishedBacktest
from consumer.insight.return_curve import Estimate
from consumer.kafka.dead_letters.topic_summary import TopicSummary
from consumer.kafka.detect_loop.brake_control import BrakeControl
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics, DetectMetrics
from consumer.onemsg.outcomes import Rejected, Remedy, Unknown
from consumer.web.api.actions import Actions
from consumer.web.api.brake import BrakeApi
from consumer.web.api.counters import Counters
from consumer.web.api.funnel import FunnelView
from consumer.web.api.insight import InsightView
from consumer.web.api.journal import JournalView
from consumer.web.api.needs import NeedsView
from consumer.web.api.now import NowView
from consumer.web.api.person import PersonView, ReadActivities
from consumer.web.api.reuse import Reuse
from consumer.web.api.routes import Api, Views
from consumer.web.auth import ApiGuard
from consumer.web.console import routes as console
from consumer.web.health import Health
from consumer.web.routes import build
from consumer.web.session import ConsoleGuard
from consumer.wiring.deliver.settings import money_of
from tests.timelines.deliver_diary import Diary

from .conftest import UNHURRIED

RULES = LapseRules(
    ladders={"account-setup": [24 * HOUR, 72 * HOUR], "checkout": [2 * HOUR]},
    allowed_lateness=MINUTE,
    settle=MINUTE,
    clock_doubt=HOUR,
    hush=15 * MINUTE,
    expire_after=72 * HOUR,
    forget_after=1000 * HOUR,
)

_BACKTEST = Backtest(
    since=0,
    until=90 * DAY,
    activities=12_345,
    people=1_000,
    silences=[Silences("checkout", 2_000, 20)],
    price=Price(0.5, "EUR", "the default of prices"),
    notes=["checkout: <b>something</b> is not known"],
    steps=[
        StepResult(
            process="checkout",
            step=0,
            after=2 * HOUR,
            asked=30,
            expired=0,
            skipped=0,
            sent=30,
            capped=0,
            too_soon=0,
            returns={"hour": Estimate(0.1, 0.08, 0.12), "day": None, "week": None},
        )
    ],
    thresholds=[
        Threshold("checkout", 2 * HOUR, 15.0, 7.5, {"hour": Estimate(0.1, 0.08, 0.12), "day": None, "week": None})
    ],
    curves={"checkout": [(60.0, 0.9, 0.85, 0.95, 900), (7200.0, 0.5, 0.4, 0.6, 200)], "signup": []},
)
PUBLISHED = PublishedBacktest(91 * DAY, "the topic user-activity", _BACKTEST)
"""What somebody has published for the page Insight."""


def site(
    ledger: Ledger | None,
    clock: Clock,
    *,
    token: str | None = None,
    here: bool = True,
    health: Health | None = None,
    brake: BrakeControl | None = None,
    read_activities: ReadActivities = lambda user, partitions: [],
    holdout: float = 0.0,
    prices: PriceSettings | None = None,
) -> Starlette:
    """Return the application. Without a ledger only detect runs. `here`: it listens on this machine alone."""
    registry, health = CollectorRegistry(), health or Health(clock.monotonic)
    reuse, processes = Reuse[Any](clock), list(RULES.ladders)
    now = NowView(clock, health, ledger, Counters(registry), processes=processes, max_staleness=5 * MINUTE, brake=brake)
    views = None
    if ledger is not None:
        views = Views(
            funnel=FunnelView(clock, ledger),
            person=PersonView(
                clock,
                ledger,
                contact_rules=ContactRules(),
                lapse_rules=RULES,
                read_activities=read_activities,
            ),
            needs=NeedsView(clock, ledger, lambda: TopicSummary(3, clock.now())),
            insight=InsightView(
                clock,
                ledger,
                holdout=holdout,
                dry_run=False,
                currency=prices.currency if prices else None,
                money_of=lambda delivered: money_of(prices, {}, delivered),
            ),
            journal=JournalView(ledger),
            actions=Actions(ledger, DeliverMetrics(registry), clock, processes=processes, changed=reuse.forget),
            processes=processes,
        )
    released = BrakeApi(brake, views.actions.note_release if views else None) if brake else None
    guard = ApiGuard(token, open_to_this_machine=here, wrong_secrets=UNHURRIED)
    visitors = ConsoleGuard(token, open_to_this_machine=here, clock=clock, wrong_secrets=UNHURRIED)
    api = Api(now, views, released, reuse, needs_token=token is not None)
    return build(
        health=health,
        metrics=registry,
        api=[*console.routes(api, visitors), *api.routes(guard)],
        guard=guard,
    )


def eventful(diary: Diary) -> Diary:
    """Maria's outcome is unknown for good, Tom's template is stopped, Nina has no contact, Ana may have opted out."""
    diary.onemsg.answers = [
        Unknown(reason="timeout"),
        Rejected(reason="template_paused", remedy=Remedy.CHANNEL, template=True, error="Paused for its quality"),
    ]
    diary.detect_is_at().knows("maria").due("maria").works().after(26 * HOUR).detect_is_at().works()
    diary.knows("tom", "Tom", "+34 612 000 000").due("tom").due("nina").due("nina", "checkout").works()
    return (
        diary.knows("ana", "Ana", "+34 612 000 001").hears("please leave me alone now \u202eok", "34612000001").works()
    )


def turning_brake(clock: Clock, seconds: float = 60) -> BrakeControl:
    """Return a brake whose loop goes round, as detect's does, for as long as a test lives."""
    control = BrakeControl(BrakeRules(), clock, DetectMetrics(CollectorRegistry()))
    threading.Thread(target=_turn, args=(control, seconds), daemon=True).start()
    return control


def _turn(control: BrakeControl, seconds: float) -> None:
    beat: Future[None] = Future()
    for _ in range(int(seconds / 0.05)):
        control.update({})
        try:
            beat.result(0.05)
        except TimeoutError:
            continue
