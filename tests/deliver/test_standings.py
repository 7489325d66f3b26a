"""What a list of templates proves, and what it does not."""

from dataclasses import replace

import pytest

from consumer.deliver.channel.template_status import (
    PROOF,
    TemplateStatus,
    TemplateStatuses,
    required_templates,
    status_after,
)
from consumer.onemsg.templates.listing import Template, TemplateListing
from consumer.onemsg.templates.preflight import RequiredTemplate
from tests.timelines.deliver_diary import PLAN

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


def told(*templates: Template, whole: bool = True, before: TemplateStatus = SEEN, times: int = 1) -> TemplateStatus:
    for _ in range(times):
        before = status_after(before, TemplateListing(templates, whole), WANTED)
    return before


def test_a_good_template_is_usable_and_its_category_and_text_are_known() -> None:
    assert TemplateStatus(category="UTILITY", body=GOOD.body) == SEEN
    assert told(replace(GOOD, category="MARKETING")).marketing


def test_until_something_is_known_everything_is_usable() -> None:
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
def test_what_the_list_shows_counts_at_once_and_until_it_shows_otherwise(shown: Template, reason: str) -> None:
    standing = told(shown)
    assert standing.problem is not None
    assert standing.problem.reason == reason
    assert told(OTHER, before=standing).problem == standing.problem
    assert told(whole=False, before=standing).problem == standing.problem
    assert told(GOOD, before=standing).usable


@pytest.mark.parametrize(
    "said_nothing", [replace(GOOD, status=""), replace(GOOD, namespace=None), replace(GOOD, body="", variables=())]
)
def test_what_the_list_does_not_state_stops_nothing(said_nothing: Template) -> None:
    assert told(said_nothing).usable
    assert told(said_nothing).body == GOOD.body


def test_a_category_that_is_left_out_stays_as_it_was() -> None:
    assert told(replace(GOOD, category=None)).category == "UTILITY"
    assert not told(replace(GOOD, category=None)).marketing
    assert told(replace(GOOD, category=None), before=TemplateStatus()).marketing


def test_an_empty_list_proves_nothing_however_often_it_comes() -> None:
    assert told(times=PROOF * 3) == SEEN


def test_a_list_with_something_left_out_proves_nothing_however_often_it_comes() -> None:
    assert told(OTHER, whole=False, times=PROOF * 3) == SEEN


def test_a_template_is_gone_when_several_whole_lists_in_a_row_have_others_only() -> None:
    doubted = told(OTHER, times=PROOF - 1)
    assert doubted.usable
    assert doubted.recheck_soon
    assert told(GOOD, before=doubted) == SEEN
    gone = told(OTHER, before=doubted)
    assert gone.problem is not None
    assert gone.problem.reason == "template_missing"
    assert gone.category == "UTILITY"
    assert told(GOOD, before=gone) == SEEN


def test_a_language_that_was_taken_away_is_gone_in_the_same_way() -> None:
    gone = told(replace(GOOD, language="es"), times=PROOF)
    assert gone.problem is not None
    assert gone.problem.reason == "language_missing"


def test_every_language_of_every_process_is_wanted_once() -> None:
    plans = {"a": replace(PLAN, translations={"es": "la cuenta"}), "b": PLAN, "c": replace(PLAN, template="other")}
    wanted = required_templates(plans, 60)
    assert [(w.name, w.language, w.ttl) for w in wanted] == [
        ("inactivity_reminder", "en", 60),
        ("inactivity_reminder", "es", 60),
        ("other", "en", 60),
    ]
