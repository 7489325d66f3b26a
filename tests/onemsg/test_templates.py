"""docs/1msg.md#listing-templates: every variation of the list; and whether the wanted template can be sent."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.onemsg.templates.listing import Button, Template, entry_key, page_entries, parse_templates
from consumer.onemsg.templates.preflight import RequiredTemplate, find_template, preflight

BODY = "Hello, {{1}}! We noticed that {{2}} is not finished."
BUTTONS = [{"type": "URL", "text": "Continue", "url": "https://example.com/continue"}]
COMPONENTS: list[dict[str, object]] = [{"type": "BODY", "text": BODY}, {"type": "BUTTONS", "buttons": BUTTONS}]
ENTRY: dict[str, object] = {
    "id": "1",
    "name": "inactivity_reminder",
    "language": "en",
    "category": "MARKETING",
    "status": "approved",
    "rejected_reason": "NONE",
    "namespace": "aaaaaaaa_bbbb",
    "components": COMPONENTS,
}
PARSED = Template(
    name="inactivity_reminder",
    language="en",
    namespace="aaaaaaaa_bbbb",
    status="APPROVED",
    category="MARKETING",
    variables=("1", "2"),
    body=BODY,
    buttons=(Button(kind="URL", text="Continue", url="https://example.com/continue"),),
)
WANTED = RequiredTemplate(name="inactivity_reminder", namespace="aaaaaaaa_bbbb", language="en")


def one(**changes: object) -> Template:
    [template] = parse_templates([{**ENTRY, **changes}])
    return template


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "APPROVED"},
        {"status": "Approved"},
        {"category": "marketing"},
        {"language": {"code": "en"}},
        {"components": json.dumps(COMPONENTS)},
        {"components": [{**COMPONENTS[0], "type": "body"}, {**COMPONENTS[1], "type": "buttons"}]},
        {"namespace": None, "message_template_namespace": "aaaaaaaa_bbbb"},
        {"namespace": "", "messageTemplateNamespace": "aaaaaaaa_bbbb"},
    ],
)
def test_every_form_of_an_entry_is_the_same_template(changes: dict[str, object]) -> None:
    assert one(**changes) == PARSED


@pytest.mark.parametrize("components", [None, "", "[", "[" * 9999, 7, "null", [7, None, {"type": 3}]])
def test_unreadable_components_give_no_body(components: object) -> None:
    template = one(components=components)
    assert (template.body, template.variables, template.buttons) == ("", (), ())
    assert ("body_not_stated", False) in reasons(template)


def test_the_root_is_an_object_or_a_bare_list() -> None:
    assert page_entries({"total": 1, "templates": [ENTRY]}) == [ENTRY]
    assert page_entries([ENTRY]) == [ENTRY]
    assert (
        page_entries({"templates": "x"})
        is page_entries({"error": "x"})
        is page_entries("x")
        is page_entries(None)
        is None
    )


def test_a_missing_namespace_is_the_siblings_if_they_agree() -> None:
    bare = {**ENTRY, "name": "bare", "namespace": None}
    assert parse_templates([ENTRY, bare])[1].namespace == "aaaaaaaa_bbbb"
    assert parse_templates([ENTRY, {**ENTRY, "namespace": "other"}, bare])[2].namespace is None
    assert parse_templates([bare])[0].namespace is None


def test_variables_are_counted_once_each_and_only_in_the_body() -> None:
    components = [
        {"type": "HEADER", "format": "TEXT", "text": "{{1}}"},
        {"type": "BODY", "text": "{{1}} {{ 2 }} {{2}} {{1}}"},
        {"type": "FOOTER", "text": "{{3}}"},
    ]
    template = one(components=components)
    assert template.variables == ("1", "2")
    assert template.header_needs_parameter


def test_a_text_of_many_blanks_is_read_at_once() -> None:
    """A pattern that tries every way to part the blanks would take half a minute."""
    blanks = "{{" + " " * 4_000
    assert one(components=[{"type": "BODY", "text": f"{blanks}x"}]).variables == ()
    assert one(components=[{"type": "BODY", "text": f"{blanks}1 }}}}"}]).variables == ("1",)


@pytest.mark.parametrize(
    ("header", "needs"),
    [
        ({"type": "HEADER", "format": "TEXT", "text": "Welcome"}, False),
        ({"type": "HEADER", "text": "Welcome"}, False),
        ({"type": "HEADER", "format": "TEXT", "text": "Hi {{1}}"}, True),
        ({"type": "HEADER", "format": "IMAGE"}, True),
    ],
)
def test_a_header_with_a_variable_or_a_picture_needs_a_parameter(header: object, needs: bool) -> None:
    assert one(components=[header, *COMPONENTS]).header_needs_parameter is needs


@pytest.mark.parametrize(
    ("button", "needs"),
    [
        (Button(kind="URL", url="https://example.com/continue"), False),
        (Button(kind="URL", url="https://example.com/{{1}}"), True),
        (Button(kind="COPY_CODE"), True),
        (Button(kind="QUICK_REPLY", text="Stop"), False),
    ],
)
def test_a_static_url_needs_no_parameter(button: Button, needs: bool) -> None:
    assert button.needs_parameter is needs


def test_entries_are_identified_by_id_name_and_language() -> None:
    keys = [
        entry_key(each) for each in (ENTRY, {**ENTRY, "language": {"code": "en"}}, {**ENTRY, "language": "es"}, {}, 7)
    ]
    assert keys[0] == keys[1]
    assert len(set(map(str, keys))) == 3


@pytest.mark.parametrize("entry", [None, 7, "x", [], {}, {"name": None}, {"name": ["x"]}])
def test_what_has_no_name_is_no_template(entry: object) -> None:
    assert parse_templates([entry]) == ()


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "buttons", "url", "code", "format"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@pytest.mark.slow
@given(st.lists(odd | st.fixed_dictionaries(dict.fromkeys(ENTRY, odd)), max_size=4))
def test_any_list_is_parsed(entries: list[object]) -> None:
    for template in parse_templates(entries):
        assert template.name
        assert template.status == template.status.upper()
        assert all(isinstance(problem.advice, str) for problem in preflight([template], WANTED))


def reasons(*templates: Template, wanted: RequiredTemplate = WANTED) -> list[tuple[str, bool]]:
    return [(problem.reason, problem.blocks) for problem in preflight(templates, wanted)]


UTILITY = replace(PARSED, category="UTILITY")


def test_a_good_utility_template_has_no_problem() -> None:
    assert reasons(UTILITY) == []


def test_a_marketing_template_is_usable_and_says_what_that_means() -> None:
    problems = preflight([PARSED], WANTED)
    assert [(problem.reason, problem.blocks) for problem in problems] == [("marketing", False)]
    assert not any(problem.blocks for problem in problems)


def test_a_category_that_nobody_states_counts_as_marketing() -> None:
    assert reasons(replace(PARSED, category=None)) == [("marketing", False)]
    assert replace(PARSED, category=None).marketing
    assert not UTILITY.marketing


def test_a_missing_template_names_those_that_are_there() -> None:
    [problem] = preflight([replace(UTILITY, name="other")], WANTED)
    assert problem.reason == "template_missing"
    assert "other" in problem.advice
    [problem] = preflight([], WANTED)
    assert problem.blocks
    assert "none" in problem.advice


def test_a_missing_language_names_those_that_are_there() -> None:
    [problem] = preflight([replace(UTILITY, language="en_US"), replace(UTILITY, language="es")], WANTED)
    assert problem.reason == "language_missing"
    assert "en_US, es" in problem.advice


@pytest.mark.parametrize("status", ["PENDING", "REJECTED", "PAUSED", "DISABLED", "IN_APPEAL", "ARCHIVED"])
def test_only_an_approved_template_can_be_sent(status: str) -> None:
    [problem] = preflight([replace(UTILITY, status=status)], WANTED)
    assert problem.reason == "template_not_approved"
    assert problem.blocks
    assert problem.advice


def test_approved_template_is_preferred() -> None:
    paused = replace(UTILITY, status="PAUSED")
    assert find_template([paused, UTILITY], WANTED) is UTILITY
    assert reasons(paused, UTILITY) == []


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (replace(UTILITY, status=""), [("status_not_stated", False)]),
        (replace(UTILITY, body="", variables=()), [("body_not_stated", False)]),
        (replace(UTILITY, namespace="other"), [("namespace_differs", True)]),
        (replace(UTILITY, namespace=None), [("namespace_not_stated", False)]),
        (replace(UTILITY, variables=("1",)), [("wrong_variables", True)]),
        (replace(UTILITY, variables=()), [("wrong_variables", True)]),
        (replace(UTILITY, variables=("1", "2", "3")), [("wrong_variables", True)]),
        (replace(UTILITY, variables=("name", "action")), [("wrong_variables", True)]),
        (replace(UTILITY, variables=("2", "1")), []),
        (replace(UTILITY, header_needs_parameter=True), [("needs_more_parameters", True)]),
        (replace(UTILITY, buttons=(Button(kind="URL", url="https://x/{{1}}"),)), [("needs_more_parameters", True)]),
        (replace(UTILITY, category="AUTHENTICATION"), [("wrong_category", True)]),
        (replace(UTILITY, category="OTP"), [("wrong_category", True)]),
        (replace(UTILITY, category="TRANSACTIONAL"), []),
        (
            replace(PARSED, status="PAUSED", namespace="other", variables=()),
            [
                ("template_not_approved", True),
                ("namespace_differs", True),
                ("wrong_variables", True),
                ("marketing", False),
            ],
        ),
    ],
)
def test_preflight_finds_everything_that_is_wrong(template: Template, expected: list[tuple[str, bool]]) -> None:
    assert reasons(template) == expected
    assert any(problem.blocks for problem in preflight([template], WANTED)) is any(blocks for _, blocks in expected)


@pytest.mark.parametrize(
    ("category", "ttl", "allowed"),
    [
        ("UTILITY", 30, True),
        ("UTILITY", 43_200, True),
        ("UTILITY", 29, False),
        ("UTILITY", 43_201, False),
        ("UTILITY", -1, True),
        ("MARKETING", 43_200, True),
        ("MARKETING", 2_592_000, True),
        ("MARKETING", 43_199, False),
        ("MARKETING", -1, False),
        (None, 60, False),
        ("SOMETHING_NEW", 60, True),
    ],
)
def test_the_ttl_must_fit_the_category(category: str | None, ttl: int, allowed: bool) -> None:
    found = reasons(replace(PARSED, category=category), wanted=replace(WANTED, ttl=ttl))
    assert (("bad_ttl", True) in found) is not allowed
