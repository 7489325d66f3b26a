"""Each check on both sides of its edge, to the millisecond, and the order of the checks."""

from dataclasses import replace

import pytest

from consumer.clock import HOUR, MINUTE
from consumer.deliver.lifecycle import Cancel, Defer, Suppress, Verdict
from consumer.deliver.policy.checks import CHECKS, CheckRules, Facts, judge

RULES = CheckRules(require_opt_in=True, expire_after=72 * HOUR, max_staleness=5 * MINUTE)
NOW = 1_767_571_200_000
FINE = Facts(
    now=NOW,
    rules=RULES,
    lapsed_at=NOW - HOUR,
    last_seen=NOW - 25 * HOUR,
    watermark=NOW - 10_000,
    contacts_read=True,
    has_contact=True,
    name="Maria",
    phone="34612345678",
    opt_in=True,
    shortest_rung=24 * HOUR,
)
TOO_OLD_AT = NOW + 71 * HOUR + 1


def test_facts_without_an_objection() -> None:
    assert judge(FINE) is None


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (replace(FINE, completed=True, returned=True), Cancel("completed")),
        (replace(FINE, returned=True), Cancel("returned")),
        (replace(FINE, superseded=True), Cancel("superseded")),
        (replace(FINE, watermark=None), Defer("detect_behind", TOO_OLD_AT)),
        (replace(FINE, watermark=NOW - 5 * MINUTE), Defer("detect_behind", TOO_OLD_AT)),
        (replace(FINE, contacts_read=False), Defer("contacts_behind", NOW + MINUTE)),
        (replace(FINE, lapsed_at=NOW - 72 * HOUR - 1), Suppress("expired")),
        (replace(FINE, has_contact=False, name=None, phone=None), Defer("no_contact", TOO_OLD_AT)),
        (replace(FINE, unreadable_contact=True, name=None), Suppress("unreadable_contact")),
        (replace(FINE, name=None), Defer("no_name", TOO_OLD_AT)),
        (replace(FINE, phone=None), Defer("no_phone", TOO_OLD_AT)),
        (replace(FINE, phone=None, bad_phone=True), Defer("bad_phone", TOO_OLD_AT)),
        (replace(FINE, phone=None, has_next_medium=True), Suppress("no_phone")),
        (replace(FINE, phone=None, bad_phone=True, has_next_medium=True), Suppress("bad_phone")),
        (replace(FINE, opt_in=False), Suppress("no_opt_in")),
        (replace(FINE, opted_out=True), Suppress("opted_out")),
        (replace(FINE, opted_out=True, opt_in=False), Suppress("opted_out")),
        (replace(FINE, held_until=NOW + 1), Defer("recipient_hold", NOW + 1)),
        (replace(FINE, held_until=NOW + 1, unreachable=True), Suppress("unreachable")),
        (replace(FINE, rung_attempted_at=FINE.last_seen + 1), Suppress("already_asked")),
        (replace(FINE, process_attempted_at=NOW - 24 * HOUR + 1), Defer("too_soon", NOW + 1)),
        (replace(FINE, paused=True, channel_stopped=True), Defer("paused", TOO_OLD_AT)),
        (replace(FINE, channel_stopped=True), Defer("channel_stopped", TOO_OLD_AT)),
        (replace(FINE, opens_at=NOW + 1), Defer("quiet_hours", NOW + 1)),
        (replace(FINE, opens_at=TOO_OLD_AT + 1), Defer("quiet_hours", TOO_OLD_AT)),
        (replace(FINE, cap_free_at=NOW + 1), Defer("frequency_cap", NOW + 1)),
        (replace(FINE, cap_free_at=TOO_OLD_AT + 1), Defer("frequency_cap", TOO_OLD_AT)),
        (replace(FINE, selected=False, held_out=True, dry_run=True), Suppress("not_selected")),
        (replace(FINE, held_out=True, dry_run=True), Suppress("holdout")),
        (replace(FINE, dry_run=True), Suppress("dry_run")),
        (replace(FINE, has_plan=False), Defer("template_unusable", NOW + 15 * MINUTE)),
    ],
)
def test_reason_of_each_check(facts: Facts, verdict: Verdict) -> None:
    assert judge(facts) == verdict


@pytest.mark.parametrize(
    "facts",
    [
        replace(FINE, watermark=NOW - 5 * MINUTE + 1),  # a millisecond younger than max_staleness
        replace(FINE, lapsed_at=NOW - 72 * HOUR),  # exactly as old as expire_after
        replace(FINE, rules=replace(RULES, require_opt_in=False), opt_in=None),
        replace(FINE, held_until=NOW, unreachable=True),  # the hold has ended
        replace(FINE, rung_attempted_at=FINE.last_seen),  # the attempt was about the silence before
        replace(FINE, process_attempted_at=NOW - 24 * HOUR),  # exactly the shortest rung ago
        replace(FINE, process_attempted_at=NOW - 1, shortest_rung=None),
        replace(FINE, opens_at=NOW),
        replace(FINE, cap_free_at=NOW),
    ],
)
def test_no_objection_at_the_edge_of_each_check(facts: Facts) -> None:
    assert judge(facts) is None


def test_detect_behind_comes_before_expired() -> None:
    """Detect may be about to say that the user returned; and the wait never ends in the past."""
    old = replace(FINE, watermark=None, lapsed_at=NOW - 80 * HOUR)
    assert judge(old) == Defer("detect_behind", NOW + MINUTE)
    assert judge(replace(old, watermark=NOW)) == Suppress("expired")


def test_opt_out_without_required_opt_in() -> None:
    assert judge(replace(FINE, rules=replace(RULES, require_opt_in=False), opted_out=True)) == Suppress("opted_out")


def test_order_of_the_checks() -> None:
    assert [check.__name__ for check in CHECKS] == [
        "still_wanted",
        "detect_is_fresh",
        "contacts_are_fresh",
        "not_expired",
        "contact_is_known",
        "contact_is_readable",
        "name_is_known",
        "phone_is_good",
        "consent_is_given",
        "recipient_is_free",
        "not_asked_before",
        "spaced_out",
        "not_paused",
        "channel_works",
        "template_is_usable",
        "marketing_is_delivered",
        "window_is_open",
        "under_the_caps",
        "recipient_quota_is_free",
        "is_selected",
        "not_held_out",
        "not_a_dry_run",
    ]
    everything_is_wrong = replace(FINE, contacts_read=False, has_contact=False, opted_out=True, channel_stopped=True)
    assert judge(everything_is_wrong) == Defer("contacts_behind", NOW + MINUTE)
