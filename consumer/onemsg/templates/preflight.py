"""Can this template be sent? One visible list of small questions, asked before anybody is written to. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from consumer.onemsg.templates.listing import Template

VARIABLES = ("1", "2")
"""{{1}} is the name, {{2}} the action; positional, since no source shows a named send (contract §2)."""

MARKETING = "marketing"
"""The reason of the problem that is none: it is worth knowing."""

_TTL: Mapping[str, tuple[int, int]] = {
    # seconds; contract §2, the 2023 names beside today's (§4)
    "MARKETING": (43_200, 2_592_000),
    "UTILITY": (30, 43_200),
    "TRANSACTIONAL": (30, 43_200),
    "AUTHENTICATION": (30, 900),
    "OTP": (30, 900),
}
_THIRTY_DAYS = -1  # not for marketing

_STATUS_ADVICE = {
    "PENDING": "wait for WhatsApp's review",
    "PAUSED": "WhatsApp paused it for its quality: it comes back after 3, then 6 hours; send less of it",
    "REJECTED": "read the reason in WhatsApp Manager, change it and submit it again",
    "DISABLED": "it is disabled for good: make a new one and name that",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredTemplate:
    """The template as configuration names it. `ttl` is `messageSendTtlSeconds`."""

    name: str
    namespace: str
    language: str
    ttl: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateProblem:
    """`reason` is a label, `text` says what is wrong, `advice` what to do. Only what `blocks` keeps it from sending."""

    reason: str
    text: str
    advice: str
    blocks: bool = True


Question = Callable[[Template, RequiredTemplate], TemplateProblem | None]


def find_template(templates: Sequence[Template], wanted: RequiredTemplate) -> Template | None:
    """The template with that name in that language; an approved one first, should there be several."""
    same = [t for t in templates if (t.name, t.language) == (wanted.name, wanted.language)]
    return min(same, key=lambda t: not t.sendable, default=None)


def preflight(templates: Sequence[Template], wanted: RequiredTemplate) -> list[TemplateProblem]:
    """Everything that is wrong, or worth knowing, about sending this template. An empty list: send it."""
    template = find_template(templates, wanted)
    if template is None:
        return [_missing(templates, wanted)]
    return [problem for ask in QUESTIONS if (problem := ask(template, wanted)) is not None]


def _missing(templates: Sequence[Template], wanted: RequiredTemplate) -> TemplateProblem:
    languages = sorted({t.language for t in templates if t.name == wanted.name})
    if languages:
        return TemplateProblem(
            reason="language_missing",
            text=f"template {wanted.name} does not exist in {wanted.language}",
            advice=f"it exists in {', '.join(languages)}: name one of these, or add the translation",
        )
    names = sorted({t.name for t in templates})
    others = f"the channel has {', '.join(names[:10])}" if names else "the channel has none"
    return TemplateProblem(
        reason="template_missing",
        text=f"template {wanted.name} does not exist on this channel",
        advice=f"create it and have it approved, or name another one: {others}",
    )


def _approved(template: Template, wanted: RequiredTemplate) -> TemplateProblem | None:
    if template.sendable:
        return None
    if not template.status:
        return TemplateProblem(
            reason="status_not_stated",
            text=f"1MSG does not say whether template {template.name} ({template.language}) is approved",
            advice="look at it in WhatsApp Manager: only APPROVED can be sent",
            blocks=False,
        )
    return TemplateProblem(
        reason="template_not_approved",
        text=f"template {template.name} ({template.language}) is {template.status}, and only APPROVED can be sent",
        advice=_STATUS_ADVICE.get(template.status, "look at it in WhatsApp Manager"),
    )


def _namespace(template: Template, wanted: RequiredTemplate) -> TemplateProblem | None:
    if template.namespace == wanted.namespace:
        return None
    if template.namespace is None:
        return TemplateProblem(
            reason="namespace_not_stated",
            text="1MSG does not say which namespace the template is in",
            advice="compare it with the one 1MSG shows beside the template",
            blocks=False,
        )
    return TemplateProblem(
        reason="namespace_differs",
        text=f"template {template.name} ({template.language}) is in another namespace than configured",
        advice=f"write namespace: {template.namespace}",
    )


def _variables(template: Template, wanted: RequiredTemplate) -> TemplateProblem | None:
    if set(template.variables) == set(VARIABLES):
        return None
    if not template.body:
        return TemplateProblem(
            reason="body_not_stated",
            text=f"1MSG does not show the text of template {template.name} ({template.language})",
            advice="it needs exactly {{1}}, the name, and {{2}}, the action",
            blocks=False,
        )
    shown = ", ".join(f"{{{{{name}}}}}" for name in template.variables) or "none"
    return TemplateProblem(
        reason="wrong_variables",
        text=f"the body of template {template.name} ({template.language}) has these variables: {shown}",
        advice="it needs exactly {{1}}, the name, and {{2}}, the action",
    )


def _nothing_else_to_fill(template: Template, wanted: RequiredTemplate) -> TemplateProblem | None:
    buttons = any(button.needs_parameter for button in template.buttons)
    if not buttons and not template.header_needs_parameter:
        return None
    where = "a button" if buttons else "the header"
    return TemplateProblem(
        reason="needs_more_parameters",
        text=f"template {template.name} wants a parameter for {where}, and only the body's are filled",
        advice="use a static URL and a header of plain text",
    )


def _category(template: Template, wanted: RequiredTemplate) -> TemplateProblem | None:
    """Marketing is no obstacle, but switches its rules on (contract §11)."""
    if template.category in ("AUTHENTICATION", "OTP"):
        return TemplateProblem(
            reason="wrong_category",
            text=f"template {template.name} is for authentication codes",
            advice="a reminder needs a MARKETING or UTILITY template",
        )
    if not template.marketing:
        return None
    return TemplateProblem(
        reason=MARKETING,
        text=f"template {template.name} ({template.language}) counts as marketing"
        + ("" if template.category else ", since nobody says otherwise"),
        advice="expect a limit per person (131049), none to US numbers, and offer a way to opt out",
        blocks=False,
    )


def _ttl(template: Template, wanted: RequiredTemplate) -> TemplateProblem | None:
    span = _TTL.get(template.category or "MARKETING")
    if wanted.ttl is None or span is None or span[0] <= wanted.ttl <= span[1]:
        return None
    if wanted.ttl == _THIRTY_DAYS and not template.marketing:
        return None
    return TemplateProblem(
        reason="bad_ttl",
        text=f"a ttl of {wanted.ttl} is not allowed for {template.category or 'a template without a category'}",
        advice=f"write {span[0]} to {span[1]} seconds, or leave it out",
    )


QUESTIONS: Sequence[Question] = (_approved, _namespace, _variables, _nothing_else_to_fill, _category, _ttl)
