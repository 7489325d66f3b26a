"""What a batch may say: each person's best language of those that can be sent now, and one message to probe a stop."""

from collections.abc import Mapping
from dataclasses import replace

from consumer.clock import SECOND, Millis
from consumer.deliver.channel.circuit_breaker import probe_is_due, template_key
from consumer.deliver.channel.template_status import TemplateStatuses
from consumer.deliver.policy.checks import Facts
from consumer.deliver.policy.message_plan import MessagePlan, TemplateVariant
from consumer.ledger.schema.rows import ChannelRow


class VariantChooser:
    """`states`: what of the medium is stopped because 1MSG refused it; `standings`: what its list says of templates."""

    def __init__(
        self, states: Mapping[str, ChannelRow], standings: TemplateStatuses, medium: str, now: Millis, lease: Millis
    ) -> None:
        self._states = dict(states)
        self._standings = standings
        self._medium = medium
        self._now = now
        self._next_probe = now + lease + 10 * SECOND
        """Nobody else probes until this one's fate is known."""
        self.probed: dict[str, ChannelRow] = {}

    def choose(self, facts: Facts, plan: MessagePlan | None) -> tuple[Facts, TemplateVariant | None]:
        """The facts with what is known about channel and template, and the words to send; None if there are none."""
        stopped = self._closed(self._medium) is not None
        ways = plan.variants(facts.locale) if plan else ()
        chosen = next((words for words in ways if self._until(words, facts) is None), None)
        marketing = chosen is not None and self._standings.of(chosen).marketing
        if not stopped and chosen is not None and not marketing:
            return facts, chosen
        untils = [until for words in ways if (until := self._until(words, facts)) is not None]
        until = min(untils, default=None) if chosen is None else None
        return replace(facts, channel_stopped=stopped, template_stopped_until=until, marketing=marketing), chosen

    def mark_used(self, words: TemplateVariant) -> None:
        """A message is on its way: of what is stopped, it is the probe."""
        for name in (self._medium, self._name(words)):
            state = self._states.get(name)
            if state is not None and state.stopped_because is not None:
                self._states[name] = self.probed[name] = replace(state, probe_at=self._next_probe)

    def _until(self, words: TemplateVariant, facts: Facts) -> Millis | None:
        """Until when these words cannot be sent; None if they can. Those that wait for 1MSG's list are woken."""
        if not self._standings.of(words).usable:
            return facts.too_old_at
        closed = self._closed(self._name(words))
        return None if closed is None else closed.probe_at

    def _closed(self, name: str) -> ChannelRow | None:
        state = self._states.get(name)
        return state if state and state.stopped_because is not None and not probe_is_due(state, self._now) else None

    def _name(self, words: TemplateVariant) -> str:
        return template_key(self._medium, words.template, words.language)
