"""What a list of templates changes, and what it does not."""

from dataclasses import replace

import pytest

from consumer.deliver.channel.template_status import (
    MISSES_UNTIL_GONE,
    TemplateStatus,
    TemplateStatuses,
    required_templates,
    status_after,
)
from consumer.onemsg.templates.listing import Template, TemplateListing
from consumer.onemsg.templates.preflight import RequiredTemplate
from consumer.testing import PLAN

WANTED = RequiredTemplate(name="reminder", namespace="ns", language="en")
GOOD = Template(
    name="reminder",
    language="en",
    namespace="ns",
    status="APPROVED",
    category="UTILITY",
    variables=("1", "2"),
    body="Hello, {{1}}! You left {{2}}.",
)
OTHER = replace(GOOD, name="other")
SEEN = status_after(TemplateStatus(), TemplateListing((GOOD,), complete=True), WANTED)


def after(*templates: Template, whole: bool = True, before: TemplateStatus = SEEN, times: int = 1) -> TemplateStatus:
    for _ in range(times):
        before = status_after(before, TemplateListing(templates, whole), WANTED)
    return before


def test_good_template_is_usable_with_category_and_body() -> None:
    assert TemplateStatus(category="UTILITY", body=GOOD.body) == SEEN
    assert after(replace(GOOD, category="MARKETING")).marketing


def test_unlisted_template_is_usable_at_start() -> None:
    assert TemplateStatus().usable
    assert TemplateStatuses().of(WANTED).usable
    assert not TemplateStatuses().of(WANTED).marketing


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (replace(GOOD, status="PAUSED"), "template_not_approved"),
        (replace(GOOD, status="REJECTED"), "template_not_approved"),
        (replace(GOOD, namespace="elsewhere"), "namespace_differs"),
        (replace(GOOD, variables=("1", "2", "3")), "wrong_variables"),
        (replace(GOOD, category="AUTHENTICATION"), "wrong_category"),
    ],
)
def test_problem_in_the_list_counts_at_once_and_until_it_is_gone(shown: Template, reason: str) -> None:
    status = after(shown)
    assert status.problem is not None
    assert status.problem.reason == reason
    assert after(OTHER, before=status).problem == status.problem
    assert after(whole=False, before=status).problem == status.problem
    assert after(GOOD, before=status).usable


@pytest.mark.parametrize(
    "incomplete", [replace(GOOD, status=""), replace(GOOD, namespace=None), replace(GOOD, body="", variables=())]
)
def test_missing_fields_in_the_list_stop_nothing(incomplete: Template) -> None:
    assert after(incomplete).usable
    assert after(incomplete).body == GOOD.body


def test_missing_category_stays_as_it_was() -> None:
    assert after(replace(GOOD, category=None)).category == "UTILITY"
    assert not after(replace(GOOD, category=None)).marketing
    assert after(replace(GOOD, category=None), before=TemplateStatus()).marketing


def test_empty_list_changes_nothing() -> None:
    assert after(times=MISSES_UNTIL_GONE * 3) == SEEN


def test_incomplete_list_changes_nothing() -> None:
    assert after(OTHER, whole=False, times=MISSES_UNTIL_GONE * 3) == SEEN


def test_template_missing_from_whole_lists_in_a_row_is_gone() -> None:
    doubted = after(OTHER, times=MISSES_UNTIL_GONE - 1)
    assert doubted.usable
    assert doubted.recheck_soon
    assert after(GOOD, before=doubted) == SEEN
    gone = after(OTHER, before=doubted)
    assert gone.problem is not None
    assert gone.problem.reason == "template_missing"
    assert gone.category == "UTILITY"
    assert after(GOOD, before=gone) == SEEN


def test_language_missing_from_whole_lists_is_gone() -> None:
    gone = after(replace(GOOD, language="es"), times=MISSES_UNTIL_GONE)
    assert gone.problem is not None
    assert gone.problem.reason == "language_missing"


def test_required_templates_are_unique() -> None:
    plans = {"a": replace(PLAN, translations={"es": "la cuenta"}), "b": PLAN, "c": replace(PLAN, template="other")}
    wanted = required_templates(plans, 60)
    assert [(w.name, w.language, w.ttl) for w in wanted] == [
        ("inactivity_reminder", "en", 60),
        ("inactivity_reminder", "es", 60),
        ("other", "en", 60),
    ]
