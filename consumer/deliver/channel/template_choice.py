"""Which template variants a batch may send, and which message is the probe of an open circuit breaker."""

from collections.abc import Mapping
from dataclasses import replace

from consumer.clock import SECOND, Millis
from consumer.deliver.channel.circuit_breaker import probe_is_due, template_key
from consumer.deliver.channel.template_status import TemplateStatuses
from consumer.deliver.policy.checks import Facts
from consumer.deliver.policy.message_plan import MessagePlan, TemplateVariant
from consumer.ledger.schema.rows import ChannelRow


class VariantChooser:
    """Chooses each person's best language among those that can be sent now.

    `breakers` are those of the medium and its templates; `statuses` is what 1MSG's list says about the templates.
    """

    def __init__(
        self, breakers: Mapping[str, ChannelRow], statuses: TemplateStatuses, medium: str, now: Millis, lease_ms: Millis
    ) -> None:
        self._breakers = dict(breakers)
        self._statuses = statuses
        self._medium = medium
        self._now = now
        self._next_probe_at = now + lease_ms + 10 * SECOND
        """No other probe before the outcome of this one is known."""
        self.probed: dict[str, ChannelRow] = {}
        """Breakers whose probe this batch sends, to be written."""

    def choose(
        self, facts: Facts, plan: MessagePlan | None, attempted_at: Millis | None = None
    ) -> tuple[Facts, TemplateVariant | None]:
        """Return the facts completed with channel and template, and the variant to send; None if there is none.

        `attempted_at`: when this reminder was last tried.
        """
        channel_stopped = self._open_breaker(self._medium) is not None
        variants = plan.variants(facts.locale) if plan else ()
        untils_of = {each: self._unusable_until(each, facts, attempted_at) for each in variants}
        chosen = next((variant for variant, until in untils_of.items() if until is None), None)
        marketing = chosen is not None and self._statuses.of(chosen).marketing
        if not channel_stopped and chosen is not None and not marketing:
            return facts, chosen
        until = min(filter(None, untils_of.values()), default=None) if chosen is None else None
        completed = replace(facts, channel_stopped=channel_stopped, template_stopped_until=until, marketing=marketing)
        return completed, chosen

    def mark_used(self, variant: TemplateVariant) -> None:
        """Note that a message leaves with this variant: it is the probe of each open breaker that it passes."""
        for name in (self._medium, template_key(self._medium, variant.template, variant.language)):
            breaker = self._breakers.get(name)
            if breaker is not None and breaker.stopped_because is not None:
                self._breakers[name] = self.probed[name] = replace(breaker, probe_at=self._next_probe_at)

    def _unusable_until(self, variant: TemplateVariant, facts: Facts, attempted_at: Millis | None) -> Millis | None:
        """Return until when this variant cannot be sent; None if it can. The template watcher may wake it earlier.

        Whoever was tried since the breaker opened comes after the others: they must not be every probe.
        """
        if not self._statuses.of(variant).usable:
            return facts.too_old_at
        breaker = self._open_breaker(template_key(self._medium, variant.template, variant.language))
        if breaker is None or breaker.probe_at is None:
            return None
        was_probe = attempted_at is not None and attempted_at > (breaker.stopped_at or 0)
        return breaker.probe_at + was_probe * SECOND

    def _open_breaker(self, name: str) -> ChannelRow | None:
        breaker = self._breakers.get(name)
        is_open = breaker and breaker.stopped_because is not None and not probe_is_due(breaker, self._now)
        return breaker if is_open else None
