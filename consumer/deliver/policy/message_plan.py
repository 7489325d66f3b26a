"""What a process's reminders say, and how far apart they must be: a view of the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consumer.clock import Millis
from consumer.config.policy import SendWindowSettings
from consumer.config.processes import ProcessSettings
from consumer.config.template import TemplateSettings, action_text
from consumer.config.types import millis
from consumer.deliver.policy.languages import ranked
from consumer.send_window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateVariant:
    """What a message says: a template in one language, and the action where the activity said nothing."""

    template: str
    namespace: str
    language: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePlan:
    """One process, as deliver needs it. `action` is what the template says where the activity said nothing."""

    template: str
    namespace: str
    language: str
    action: str
    translations: Mapping[str, str] = field(default_factory=dict)
    """The further languages of the template, each with its action."""
    shortest_rung: Millis
    window: Window | None = None
    """When it may be sent; any time unless set."""

    def variants(self, locale: str | None) -> tuple[TemplateVariant, ...]:
        """What may be said to somebody with that locale, best first; what is said to anybody comes last."""
        actions = {self.language: self.action, **self.translations}
        return tuple(self._in(language, actions[language]) for language in ranked(locale, tuple(actions)))

    def all_variants(self) -> tuple[TemplateVariant, ...]:
        """Everything that may be said to anybody."""
        return tuple(self._in(*each) for each in {self.language: self.action, **self.translations}.items())

    def _in(self, language: str, action: str) -> TemplateVariant:
        return TemplateVariant(template=self.template, namespace=self.namespace, language=language, action=action)


def message_plans(
    processes: Mapping[str, ProcessSettings], template: TemplateSettings, send_window: SendWindowSettings | None = None
) -> dict[str, MessagePlan]:
    """The plan of each configured process; `template` and `send_window` where it chooses none of its own."""
    return {name: _plan(process, template, send_window) for name, process in processes.items()}


def _plan(process: ProcessSettings, template: TemplateSettings, send_window: SendWindowSettings | None) -> MessagePlan:
    chosen, spans = process.template.apply_to(template), [millis(span) for span in process.remind_after]
    gaps = [later - earlier for earlier, later in zip([0, *spans], spans, strict=False)]
    opened = process.send_window or send_window
    words = {
        language: action_text(process.action, language, chosen.language)
        for language in dict.fromkeys([chosen.language, *chosen.languages])
    }
    return MessagePlan(
        template=chosen.name,
        namespace=chosen.namespace,
        language=chosen.language,
        action=words.pop(chosen.language),
        translations=words,
        shortest_rung=min(gaps),
        window=None if opened is None else opened.window,
    )
