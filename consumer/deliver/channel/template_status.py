"""What 1MSG's list says of the templates we send, and what it takes to believe it. Pure, but for the register.

A list stops sending only by what it says. A template that it shows as paused, rejected, in another namespace or with
other variables is unusable at once. One that it does not show may be missing from a page, or the list from the channel:
that counts only if the list is whole, not empty, and says so several times in a row. What it says nothing about stays
as it was, and usable to begin with: 1MSG itself refuses what cannot be sent, and that stops a template as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from consumer.deliver.policy.message_plan import MessagePlan, TemplateVariant
from consumer.onemsg.templates.listing import TemplateListing
from consumer.onemsg.templates.preflight import RequiredTemplate, TemplateProblem, find_template, preflight

PROOF = 3
"""Whole lists in a row without a template, after which it is believed to be gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateStatus:
    """What is known of one template in one language."""

    problem: TemplateProblem | None = None
    """Why it cannot be sent."""
    category: str | None = None
    """None until 1MSG has said."""
    marketing: bool = False
    """Whether the marketing rules apply to it (contract §11)."""
    body: str = ""
    """Its text with variables; empty until it was seen."""
    unseen: int = 0
    """Whole lists in a row that did not show it."""

    @property
    def usable(self) -> bool:
        return self.problem is None

    @property
    def recheck_soon(self) -> bool:
        """Whether it is worth while to look again soon."""
        return self.problem is not None or self.unseen > 0


def status_after(before: TemplateStatus, listing: TemplateListing, wanted: RequiredTemplate) -> TemplateStatus:
    """The standing once this list was seen."""
    template = find_template(listing.templates, wanted)
    problems = preflight(listing.templates, wanted)
    if template is None:
        if not listing.complete or not listing.templates:
            return before
        unseen = before.unseen + 1
        return replace(before, unseen=unseen, problem=problems[0] if unseen >= PROOF else before.problem)
    category = template.category or before.category
    return TemplateStatus(
        problem=next((problem for problem in problems if problem.blocks), None),
        category=category,
        marketing=replace(template, category=category).marketing,
        body=template.body or before.body,
    )


def required_templates(plans: Mapping[str, MessagePlan], ttl: int | None) -> list[RequiredTemplate]:
    """Every template that some process may send, in every language, each once."""
    every = [words for plan in plans.values() for words in plan.all_variants()]
    wanted = [RequiredTemplate(name=w.template, namespace=w.namespace, language=w.language, ttl=ttl) for w in every]
    return list(dict.fromkeys(wanted))


class TemplateStatuses:
    """What is known of every template. Written by the watch, read by any thread; a write is a single assignment."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], TemplateStatus] = {}

    def of(self, words: TemplateVariant | RequiredTemplate) -> TemplateStatus:
        return self._known.get(_key(words), _NOTHING_KNOWN)

    def put(self, wanted: RequiredTemplate, standing: TemplateStatus) -> None:
        self._known = {**self._known, _key(wanted): standing}


_NOTHING_KNOWN = TemplateStatus()


def _key(words: TemplateVariant | RequiredTemplate) -> tuple[str, str, str]:
    name = words.template if isinstance(words, TemplateVariant) else words.name
    return name, words.namespace, words.language
