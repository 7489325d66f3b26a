"""Checks whether a template can be sent, before anybody gets a message. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from consumer.onemsg.templates.listing import Template

VARIABLES = ("1", "2")
"""{{1}} is the name, {{2}} the action; positional, because no source shows how to send named ones
(docs/1msg.md#sending-a-template)."""

MARKETING = "marketing"
"""The reason of the one problem that is only information."""

_TTL: Mapping[str, tuple[int, int]] = {
    # seconds; docs/1msg.md#sending-a-template, with the names of 2023 and of today
    "MARKETING": (43_200, 2_592_000),
    "UTILITY": (30, 43_200),
    "TRANSACTIONAL": (30, 43_200),
    "AUTHENTICATION": (30, 900),
    "OTP": (30, 900),
}
_THIRTY_DAYS = -1  # not for marketing

_STATUS_ADVICE = {
    "PENDING": "wait for WhatsApp's review",
    "PAUSED": "WhatsApp paused it for its quality: the pause ends after 3, then 6 hours; send fewer",
    "REJECTED": "read the reason in WhatsApp Manager, change the template and submit it again",
    "DISABLED": "it is disabled for good: create a new one and configure that",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredTemplate:
    """A template that the configuration names. `ttl` is `messageSendTtlSeconds`."""

    name: str
    namespace: str
    language: str
    ttl: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateProblem:
    """A problem: `reason` is a label, `text` says what is wrong, `advice` what to do; `blocks`: it prevents sending."""

    reason: str
    text: str
    advice: str
    blocks: bool = True


Check = Callable[[Template, RequiredTemplate], TemplateProblem | None]


def find_template(templates: Sequence[Template], wanted: RequiredTemplate) -> Template | None:
    """Return the template with that name in that language; an approved one if there are several."""
    same = [t for t in templates if (t.name, t.language) == (wanted.name, wanted.language)]
    return min(same, key=lambda t: not t.sendable, default=None)


def preflight(templates: Sequence[Template], wanted: RequiredTemplate) -> list[TemplateProblem]:
    """Return all problems with sending this template; if none of them blocks, it can be sent."""
    template = find_template(templates, wanted)
    if template is None:
        return [_missing(templates, wanted)]
    return [problem for check in CHECKS if (problem := check(template, wanted)) is not None]


def _missing(templates: Sequence[Template], wanted: RequiredTemplate) -> TemplateProblem:
    languages = sorted({t.language for t in templates if t.name == wanted.name})
    if languages:
        return TemplateProblem(
            reason="language_missing",
            text=f"template {wanted.name} does not exist in {wanted.language}",
            advice=f"it exists in {', '.join(languages)}: configure one of these, or add the translation",
        )
    names = sorted({t.name for t in templates})
    others = f"the channel has {', '.join(names[:10])}" if names else "the channel has none"
    return TemplateProblem(
        reason="template_missing",
        text=f"template {wanted.name} does not exist on this channel",
        advice=f"create it and have it approved, or configure another one: {others}",
    )


def _approved(template: Template, wanted: RequiredTemplate) -> TemplateProblem | None:
    if template.sendable:
        return None
    if not template.status:
        return TemplateProblem(
            reason="status_not_stated",
            text=f"1MSG does not say whether template {template.name} ({template.language}) is approved",
            advice="check it in WhatsApp Manager: only APPROVED templates can be sent",
            blocks=False,
        )
    return TemplateProblem(
        reason="template_not_approved",
        text=f"template {template.name} ({template.language}) is {template.status}; it must be APPROVED",
        advice=_STATUS_ADVICE.get(template.status, "check it in WhatsApp Manager"),
    )


def _namespace(template: Template, wanted: RequiredTemplate) -> TemplateProblem | None:
    if template.namespace == wanted.namespace:
        return None
    if template.namespace is None:
        return TemplateProblem(
            reason="namespace_not_stated",
            text="1MSG does not say in which namespace the template is",
            advice="compare it with the one 1MSG shows beside the template",
            blocks=False,
        )
    return TemplateProblem(
        reason="namespace_differs",
        text=f"template {template.name} ({template.language}) is not in the configured namespace",
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


def _no_other_parameters(template: Template, wanted: RequiredTemplate) -> TemplateProblem | None:
    buttons = any(button.needs_parameter for button in template.buttons)
    if not buttons and not template.header_needs_parameter:
        return None
    where = "a button" if buttons else "the header"
    return TemplateProblem(
        reason="needs_more_parameters",
        text=f"template {template.name} needs a parameter for {where}, but only those of the body are filled in",
        advice="use a static URL, and a header of plain text",
    )


def _category(template: Template, wanted: RequiredTemplate) -> TemplateProblem | None:
    """Object to categories of other uses. Marketing may be sent, by its rules (docs/1msg.md#limits-and-policy)."""
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
        + ("" if template.category else ", because 1MSG states no category"),
        advice="expect a limit for each person (131049) and no delivery to US numbers; offer a way to opt out",
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


CHECKS: Sequence[Check] = (_approved, _namespace, _variables, _no_other_parameters, _category, _ttl)
