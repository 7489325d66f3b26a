"""What the ledger adds to a backtest: the messages that went out meanwhile, and what messages cost; and the other way
round: the backtest is put into the ledger for the console."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import polars as pl

from consumer.clock import DAY, Millis
from consumer.commands.terminal.account import account
from consumer.commands.terminal.time_arguments import format_minute
from consumer.config.settings import Settings
from consumer.config.types import millis
from consumer.insight.backtest import Price
from consumer.insight.published_backtest import PublishedBacktest, dump
from consumer.insight.whole_history.gaps import SENDS
from consumer.ledger import queries
from consumer.ledger.errors import NoLedger
from consumer.ledger.queries.reporting.report import DeliveredCount
from consumer.ledger.schema.episode_tables import SENT
from consumer.ledger.store import Ledger
from consumer.wiring.deliver.settings import money_of

_PRICES_OVER: Millis = 90 * DAY


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """Messages that may have gone out, with the columns of `SENDS`; how many were delivered lately; and before when
    messages went out that the ledger no longer knows one by one (None: there are none)."""

    sends: pl.DataFrame
    delivered: Sequence[DeliveredCount] = ()
    forgotten_before: Millis | None = None


def read_facts(settings: Settings, now: Millis) -> LedgerFacts:
    """Return what the ledger knows; nothing if there is none yet."""
    try:
        with closing(Ledger(settings.ledger.url, read_only=True)) as ledger, ledger.reading() as connection:
            before = now - millis(settings.ledger.keep)
            old = queries.episodes.counts(connection, 0, max(0, before), None)
            return LedgerFacts(
                pl.DataFrame(queries.reporting.history.all_sends(connection), schema=SENDS, orient="row"),
                queries.reporting.report.delivered(connection, now - _PRICES_OVER, now + 1, None),
                before if any(each.decision == SENT for each in old) else None,
            )
    except NoLedger:
        return LedgerFacts(pl.DataFrame(schema=SENDS))


def price_of(settings: Settings, facts: LedgerFacts) -> Price | None:
    """Return what a message costs: the mean of those delivered lately, else the default; None without prices."""
    if settings.prices is None:
        return None
    money = money_of(settings.prices, settings.processes, facts.delivered)
    if not money:
        return Price(settings.prices.of(None), settings.prices.currency, "the default of prices")
    delivered = sum(each.delivered for each in money)
    basis = f"the mean price of the {delivered:,} messages that were delivered in the last 90 days"
    return Price(sum(each.cost for each in money) / delivered, settings.prices.currency, basis)


def unknown_messages(facts: LedgerFacts, since: Millis, *, from_files: bool) -> list[str]:
    """Return a sentence where the history may hold messages of which nothing is known."""
    if from_files:
        return ["Files do not say when messages went out: a return after one counts as the person's own"]
    if facts.forgotten_before is not None and since < facts.forgotten_before:
        day = format_minute(facts.forgotten_before)
        return [f"Before {day} UTC messages went out that the ledger no longer knows (ledger.keep): use --since {day}Z"]
    return []


def publish(settings: Settings, published: PublishedBacktest) -> None:
    """Put it into the ledger, where the console finds it. Raises LedgerRefused if there is none yet."""
    with closing(Ledger(settings.ledger.url, beside=True)) as ledger, ledger.transaction() as connection:
        queries.reporting.backtests.put(connection, published.published_at, dump(published))
        queries.operating.journal.add(
            connection, published.published_at, account(), "publish", subject="backtest", detail=published.history
        )
