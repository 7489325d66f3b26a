"""What 1MSG's list says about the templates we send, and when to believe it. Pure, except for `TemplateStatuses`.

A template that the list shows as paused, rejected, in another namespace or with other variables is unusable at once. A
template that the list does not show may only be missing from a page: it counts as gone if the list is whole, not empty,
and does not show it several times in a row. What the list does not state stays as it was; a template is usable until
something else is known, since 1MSG refuses what cannot be sent, and that opens the template's circuit breaker.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from consumer.deliver.policy.message_plan import MessagePlan, TemplateVariant
from consumer.onemsg.templates.listing import TemplateListing
from consumer.onemsg.templates.preflight import RequiredTemplate, TemplateProblem, find_template, preflight

MISSES_UNTIL_GONE = 3
"""Whole lists in a row without a template after which it counts as gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateStatus:
    """What is known about one template in one language."""

    problem: TemplateProblem | None = None
    """Why it cannot be sent; None if it can."""
    category: str | None = None
    """None until 1MSG has stated it."""
    marketing: bool = False
    """Whether the marketing rules apply to it (docs/1msg.md#category-of-a-reminder)."""
    body: str = ""
    """Its text with variables; empty until the list has shown it."""
    doubt: TemplateProblem | None = None
    """What its absence from the last list would mean; None if that list showed it."""
    misses: int = 0
    """Whole lists in a row that did not show it."""

    @property
    def usable(self) -> bool:
        return self.problem is None

    @property
    def recheck_soon(self) -> bool:
        """Whether to ask for the list again soon."""
        return self.problem is not None or self.misses > 0


def status_after(before: TemplateStatus, listing: TemplateListing, required: RequiredTemplate) -> TemplateStatus:
    """Return the status of the template after this list."""
    template = find_template(listing.templates, required)
    problems = preflight(listing.templates, required)
    if template is None:
        if not listing.complete or not listing.templates:
            return before
        misses = before.misses + 1
        problem = problems[0] if misses >= MISSES_UNTIL_GONE else before.problem
        return replace(before, misses=misses, problem=problem, doubt=problems[0])
    category = template.category or before.category
    return TemplateStatus(
        problem=next((problem for problem in problems if problem.blocks), None),
        category=category,
        marketing=replace(template, category=category).marketing,
        body=template.body or before.body,
    )


def required_templates(plans: Mapping[str, MessagePlan], ttl: int | None) -> list[RequiredTemplate]:
    """Return every template that a process may send, in every language, each once."""
    variants = [variant for plan in plans.values() for variant in plan.all_variants()]
    required = [
        RequiredTemplate(name=v.template, namespace=v.namespace, language=v.language, ttl=ttl) for v in variants
    ]
    return list(dict.fromkeys(required))


class TemplateStatuses:
    """The status of every template. Written by the watcher, read by any thread; a write is a single assignment."""

    def __init__(self) -> None:
        self._statuses: dict[tuple[str, str, str], TemplateStatus] = {}

    def of(self, template: TemplateVariant | RequiredTemplate) -> TemplateStatus:
        return self._statuses.get(_key(template), _UNKNOWN)

    def put(self, template: RequiredTemplate, status: TemplateStatus) -> None:
        self._statuses = {**self._statuses, _key(template): status}


_UNKNOWN = TemplateStatus()


def _key(template: TemplateVariant | RequiredTemplate) -> tuple[str, str, str]:
    name = template.template if isinstance(template, TemplateVariant) else template.name
    return name, template.namespace, template.language
