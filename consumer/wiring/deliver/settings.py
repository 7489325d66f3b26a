"""What deliver takes from the settings."""

from collections.abc import Mapping, Sequence

from consumer.clock import Millis
from consumer.config.sections.onemsg import OneMsgSettings
from consumer.config.sections.prices import PriceSettings
from consumer.config.sections.processes import ProcessSettings
from consumer.config.settings import Settings
from consumer.config.types import millis
from consumer.deliver.policy.checks import CheckRules
from consumer.deliver.policy.message_plan import message_plans
from consumer.deliver.recipients.contacts_barrier import ContactsBarrier
from consumer.deliver.sending.facts import SenderConfig
from consumer.insight import report
from consumer.insight.explanation import ContactRules
from consumer.ledger.queries.reporting.report import DeliveredCount
from consumer.onemsg.client import OneMsgClient
from consumer.onemsg.limits import PAIR_SPAN
from consumer.onemsg.phone import Phone
from consumer.wiring.shared import plain


def sender_config(settings: Settings, onemsg: OneMsgSettings, barrier: ContactsBarrier) -> SenderConfig:
    """Return the configuration's part in the decisions of a sender."""
    policy = settings.policy
    return SenderConfig(
        rules=CheckRules(
            require_opt_in=policy.require_opt_in,
            expire_after=millis(policy.expire_after),
            max_staleness=millis(policy.max_staleness),
        ),
        plans=message_plans(settings.processes, onemsg.template, policy.send_window),
        barrier=barrier,
        default_region=policy.default_region,
        default_name=policy.default_name,
        default_zone=policy.timezone,
        caps={PAIR_SPAN: 1, **{millis(span): limit for span, limit in policy.max_per_user.items()}},
        unique_recipients=onemsg.unique_recipients_per_day,
        holdout=policy.holdout,
        dry_run=policy.dry_run,
        text_check=policy.text_check,
        only_users=None if policy.only_users is None else frozenset(policy.only_users),
    )


def money_of(
    prices: PriceSettings | None, processes: Mapping[str, ProcessSettings], delivered: Sequence[DeliveredCount]
) -> list[report.Money]:
    """Return what delivered messages cost; nothing without prices."""
    if prices is None:
        return []
    values = {name: process.value for name, process in processes.items()}
    countries = [Phone(digits=each.phone).region if each.phone else None for each in delivered]
    counts = [(each.process, country, each.count) for each, country in zip(delivered, countries, strict=True)]
    return report.money_of(counts, prices.of, values)


def contact_rules(settings: Settings) -> ContactRules:
    """Return how contacts are read, for those who explain what came of it."""
    policy = settings.policy
    return ContactRules(
        default_region=policy.default_region,
        default_name=policy.default_name,
        timezone=policy.timezone,
        text_check=policy.text_check,
    )


def onemsg_client(onemsg: OneMsgSettings, *, timeout_ms: Millis, max_connections: int) -> OneMsgClient:
    """Return the client of the configured channel. Raises ConfigError."""
    return OneMsgClient(
        base_url=onemsg.base_url,
        channel_id=onemsg.channel_id,
        token=plain(onemsg.token, "onemsg.token"),
        timeout_ms=timeout_ms,
        max_connections=max_connections,
    )
