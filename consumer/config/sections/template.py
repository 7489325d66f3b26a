"""What is sent: the template, its languages, and the texts for what is unfinished (`action`)."""

import re
from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from consumer.config.types import Section

DEFAULT = "default"
"""The key, among the languages of an `action`, of the text for all other languages."""

_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z][A-Za-z]{1,3})?")


def _language(value: str) -> str:
    if _LANGUAGE.fullmatch(value):
        return value
    meant = value.replace("-", "_").partition(".")[0]
    base, _, region = meant.partition("_")
    meant = "_".join(filter(None, [base.lower(), region.upper()]))
    advice = f"write {meant}" if _LANGUAGE.fullmatch(meant) else "write it as 1MSG shows it"
    raise ValueError(f"is not a template's language: {advice}, such as en or pt_BR")


Language = Annotated[str, AfterValidator(_language)]


def _action(value: object) -> object:
    texts = value if isinstance(value, dict) else {DEFAULT: value}
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts.values()):
        raise ValueError('write a text, or one for each language: {default: "your order", es: "tu pedido"}')
    return value


Action: TypeAlias = Annotated[str | dict[str, str], BeforeValidator(_action)]
"""One text, or texts by language."""


class TemplateSettings(Section):
    name: str = "inactivity_reminder"
    """The template's name. The template has two variables: {{1}} the person's name, {{2}} the action."""
    namespace: str = Field(min_length=1)
    """The template's namespace; 1MSG shows it beside the template."""
    language: Language = "en"
    """The default language, as 1MSG shows it: en, pt_BR."""
    languages: tuple[Language, ...] = ()
    """More languages in which the template exists; a contact's locale chooses among them."""


class TemplateOverride(Section):
    """Keys of `onemsg.template` that differ for one process."""

    name: str | None = None
    """Default: `onemsg.template.name`."""
    namespace: str | None = None
    """Default: `onemsg.template.namespace`."""
    language: Language | None = None
    """Default: `onemsg.template.language`."""
    languages: tuple[Language, ...] | None = None
    """Default: `onemsg.template.languages`."""

    def apply_to(self, template: TemplateSettings) -> TemplateSettings:
        """Return `template` with the keys that are set here."""
        chosen = self.model_dump(exclude_none=True)
        return template.model_copy(update=chosen)


def action_text(action: str | Mapping[str, str], language: str, default: str) -> str:
    """Return the text in this language, else the one under `default`, else the one in the language `default`."""
    if isinstance(action, str):
        return action
    ways = (language, language.partition("_")[0], DEFAULT, default, default.partition("_")[0])
    return next(action[way] for way in ways if way in action)


def action_problem(action: str | Mapping[str, str], template: TemplateSettings) -> str | None:
    """Return what is wrong with the texts for a template in these languages; None if nothing is."""
    if isinstance(action, str):
        return None
    languages = {template.language, *template.languages}
    known = {DEFAULT, *languages, *(language.partition("_")[0] for language in languages)}
    shown = ", ".join(sorted(languages))
    for language in action:
        if language not in known:
            return f"{language} is not among the template's languages ({shown}): add it there, or remove it here"
    if not {DEFAULT, template.language, template.language.partition("_")[0]} & set(action):
        return f"has no text in {template.language}, the template's language: add one, or a default"
    return None
