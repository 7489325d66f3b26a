"""What a process's reminders say, and how far apart they must be: a view of the configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from consumer.clock import Millis
from consumer.config.sections.policy import SendWindowSettings
from consumer.config.sections.processes import ProcessSettings
from consumer.config.sections.template import TemplateSettings, action_text
from consumer.config.types import millis
from consumer.deliver.policy.languages import ranked
from consumer.send_window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateVariant:
    """A template in one language, and the action for it if the activity has none."""

    template: str
    namespace: str
    language: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePlan:
    """One process, as deliver needs it. `action` fills the template if the activity has none."""

    template: str
    namespace: str
    language: str
    action: str
    translations: Mapping[str, str] = field(default_factory=dict)
    """The template's further languages, each with its action."""
    shortest_rung: Millis
    window: Window | None = None
    """The send window; None for any time."""

    def variants(self, locale: str | None) -> tuple[TemplateVariant, ...]:
        """Return the variants for a person with that locale, best first; the default language comes last."""
        actions = {self.language: self.action, **self.translations}
        return tuple(self._variant(language, actions[language]) for language in ranked(locale, tuple(actions)))

    def all_variants(self) -> tuple[TemplateVariant, ...]:
        """Return the variant of every language."""
        return tuple(self._variant(*each) for each in {self.language: self.action, **self.translations}.items())

    def _variant(self, language: str, action: str) -> TemplateVariant:
        return TemplateVariant(template=self.template, namespace=self.namespace, language=language, action=action)


def message_plans(
    processes: Mapping[str, ProcessSettings], template: TemplateSettings, send_window: SendWindowSettings | None = None
) -> dict[str, MessagePlan]:
    """Return each process's plan; `template` and `send_window` apply to a process that has none of its own."""
    return {name: _plan(process, template, send_window) for name, process in processes.items()}


def _plan(process: ProcessSettings, template: TemplateSettings, send_window: SendWindowSettings | None) -> MessagePlan:
    own_template, rungs = process.template.apply_to(template), [millis(span) for span in process.remind_after]
    gaps = [later - earlier for earlier, later in zip([0, *rungs], rungs, strict=False)]
    window = process.send_window or send_window
    actions = {
        language: action_text(process.action, language, own_template.language)
        for language in dict.fromkeys([own_template.language, *own_template.languages])
    }
    return MessagePlan(
        template=own_template.name,
        namespace=own_template.namespace,
        language=own_template.language,
        action=actions.pop(own_template.language),
        translations=actions,
        shortest_rung=min(gaps),
        window=None if window is None else window.window,
    )
