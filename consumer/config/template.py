"""What is sent: the template, the languages it exists in, and the words for what is unfinished."""

import re
from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from consumer.config.types import Section

DEFAULT = "default"
"""The key, among the languages of an `action`, of the words for all others."""

_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z][A-Za-z]{1,3})?")


def _language(value: str) -> str:
    if _LANGUAGE.fullmatch(value):
        return value
    meant = value.replace("-", "_").partition(".")[0]
    base, _, region = meant.partition("_")
    meant = "_".join(filter(None, [base.lower(), region.upper()]))
    advice = f"write {meant}" if _LANGUAGE.fullmatch(meant) else "write it as 1MSG lists it"
    raise ValueError(f"is no language of a template: {advice}, such as en or pt_BR")


Language = Annotated[str, AfterValidator(_language)]


def _action(value: object) -> object:
    texts = value if isinstance(value, dict) else {DEFAULT: value}
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts.values()):
        raise ValueError('write the words, or some for each language: {default: "your order", es: "tu pedido"}')
    return value


Action: TypeAlias = Annotated[str | dict[str, str], BeforeValidator(_action)]
"""One text for everybody, or texts by language."""


class TemplateSettings(Section):
    name: str = "inactivity_reminder"
    """The template's name; it has two variables, {{1}} the name and {{2}} the action."""
    namespace: str = Field(min_length=1)
    """1MSG shows it beside the template."""
    language: Language = "en"
    """The language for everybody for whom there is no better one, as 1MSG lists it: en, pt_BR."""
    languages: tuple[Language, ...] = ()
    """Further languages in which the template exists; a contact's locale chooses among them."""


class TemplateOverride(Section):
    """What a process has instead of `onemsg.template`."""

    name: str | None = None
    """`onemsg.template.name` unless set."""
    namespace: str | None = None
    """`onemsg.template.namespace` unless set."""
    language: Language | None = None
    """`onemsg.template.language` unless set."""
    languages: tuple[Language, ...] | None = None
    """`onemsg.template.languages` unless set."""

    def apply_to(self, template: TemplateSettings) -> TemplateSettings:
        """The template that is sent, where `template` is the usual one."""
        chosen = self.model_dump(exclude_none=True)
        return template.model_copy(update=chosen)


def action_text(action: str | Mapping[str, str], language: str, default: str) -> str:
    """The words in this language, or else those for everybody, or else those in the `default` language."""
    if isinstance(action, str):
        return action
    ways = (language, language.partition("_")[0], DEFAULT, default, default.partition("_")[0])
    return next(action[way] for way in ways if way in action)


def action_problem(action: str | Mapping[str, str], template: TemplateSettings) -> str | None:
    """What is wrong with words for a template in these languages, if anything is."""
    if isinstance(action, str):
        return None
    languages = {template.language, *template.languages}
    known = {DEFAULT, *languages, *(language.partition("_")[0] for language in languages)}
    shown = ", ".join(sorted(languages))
    for language in action:
        if language not in known:
            return f"{language} is not among the template's languages ({shown}): add it to them, or take it out here"
    if not {DEFAULT, template.language, template.language.partition("_")[0]} & set(action):
        return f"has no words in {template.language}, the template's language: add some, or a default"
    return None
