"""Every transition of ARCHITECTURE.md#life-of-a-reminder, and that no order of events leads to another."""

import re
from collections.abc import Sequence
from itertools import permutations
from typing import get_args

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from consumer.deliver import lifecycle
from consumer.deliver.lifecycle import (
    FINAL,
    IN_DOUBT,
    SILENT,
    TRANSITIONS,
    UNSENT,
    AttemptAccepted,
    AttemptRefused,
    Cancel,
    Change,
    Claimed,
    ConfirmedUnsent,
    Defer,
    Event,
    Fail,
    NoChange,
    OutcomeUnknown,
    Reported,
    Status,
    StatusSource,
    Suppress,
    TimedOut,
    transition,
)
from consumer.onemsg.webhook.notifications import Progress

progresses = st.sampled_from(Progress)
events: st.SearchStrategy[Event] = st.one_of(
    st.just(Claimed()),
    st.just(TimedOut()),
    st.just(ConfirmedUnsent()),
    st.builds(Suppress, st.sampled_from(["expired", "no_phone"])),
    st.builds(Cancel, st.sampled_from(["returned", "completed", "superseded"])),
    st.builds(Defer, st.sampled_from(["no_contact", "too_soon"]), st.integers(1, 9)),
    st.builds(AttemptAccepted, st.just("wamid.1"), st.sampled_from([StatusSource.RESPONSE, StatusSource.ECHO])),
    st.builds(AttemptRefused, st.just("rate"), st.one_of(st.just(Defer("retry_later", 5)), st.just(Fail("rate")))),
    st.builds(OutcomeUnknown, st.just("timeout")),
    st.builds(Reported, progresses, st.just(StatusSource.WEBHOOK)),
)


def walk(happened: Sequence[Event], status: Status = Status.PLANNED) -> list[tuple[Status, Event, Change]]:
    """Return every change that these events make, each with the status before it."""
    steps: list[tuple[Status, Event, Change]] = []
    reason: str | None = None
    for event in happened:
        changes = transition(status, reason, event)
        for change in () if isinstance(changes, NoChange) else changes:
            steps.append((status, event, change))
            status, reason = change.status, change.reason
    return steps


def ends(happened: Sequence[Event], status: Status) -> Status:
    steps = walk(happened, status)
    return steps[-1][2].status if steps else status


def test_table_in_the_docstring_equals_the_transitions() -> None:
    documented: dict[str, set[str]] = {}
    for line in (lifecycle.__doc__ or "").splitlines():
        if found := re.fullmatch(r"\| `(\w+)`\s*\|.*\|(.*)\|", line):
            documented[found[1]] = set(re.findall(r"\w+", found[2].split("(")[0])) - {"–"}
    assert documented == {status.value: {to.value for to in goes} for status, goes in TRANSITIONS.items()}


@settings(max_examples=500, deadline=None)
@given(st.lists(events, max_size=30))
def test_any_order_of_events_stays_in_the_table(happened: list[Event]) -> None:
    for before, _, change in walk(happened):
        assert change.status in TRANSITIONS[before]


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(Status), events)
def test_every_event_in_every_status_has_an_answer(status: Status, event: Event) -> None:
    changes = transition(status, "timeout", event)
    if isinstance(changes, NoChange):
        assert re.fullmatch("repeated|(is|already)_[a-z]+", changes.why)
    else:
        assert changes


@settings(max_examples=500, deadline=None)
@given(st.lists(events, max_size=30))
def test_unknown_is_never_sent_again_without_an_operator(happened: list[Event]) -> None:
    in_doubt = False
    for _, event, change in walk(happened):
        assert not (in_doubt and change.status is Status.SENDING)
        if change.status is Status.UNKNOWN:
            in_doubt = True
        elif isinstance(event, ConfirmedUnsent):
            in_doubt = False


@settings(max_examples=300, deadline=None)
@given(st.lists(progresses, min_size=1, max_size=8), st.randoms())
def test_order_and_number_of_reports_do_not_matter(said: list[Progress], chance: object) -> None:
    reports = [Reported(progress, StatusSource.WEBHOOK) for progress in said]
    shuffled = [*reports, *reports]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ends(reports, Status.ACCEPTED) is ends(shuffled, Status.ACCEPTED)


def test_every_order_of_reports_ends_alike() -> None:
    order = [Progress.SENT, Progress.FAILED, Progress.DELIVERED, Progress.READ]
    for size in range(1, 5):
        for chosen in permutations(order, size):
            greatest = max(chosen, key=order.index)
            reports = [Reported(progress, StatusSource.POLL) for progress in chosen]
            assert ends(reports, Status.ACCEPTED) == greatest.value


@settings(max_examples=300, deadline=None)
@given(st.lists(st.builds(Reported, progresses, st.just(StatusSource.WEBHOOK)), max_size=12))
def test_rank_never_goes_down(reports: list[Event]) -> None:
    ranks = [Status.ACCEPTED, Status.SENT, Status.FAILED, Status.DELIVERED, Status.READ]
    reached = [ranks.index(change.status) for _, _, change in walk(reports, Status.ACCEPTED)]
    assert reached == sorted(set(reached))


@settings(max_examples=300, deadline=None)
@given(st.lists(events, max_size=30))
def test_planned_and_sending_are_not_published(happened: list[Event]) -> None:
    for _, _, change in walk(happened):
        if change.status in SILENT:
            assert not change.publish


def test_repeated_deferral_is_published_once_per_reason() -> None:
    waits = [Defer("no_contact", 5), Defer("no_contact", 9), Defer("too_soon", 9), Defer("no_contact", 9)]
    published = [(change.reason, change.publish) for _, _, change in walk(waits)]
    assert published == [("no_contact", True), ("no_contact", False), ("too_soon", True), ("no_contact", True)]


def test_refusal_is_followed_by_deferral_or_failure() -> None:
    again = walk([Claimed(), AttemptRefused("rate_limit", Defer("retry_later", 7), 130429)])
    assert [(c.status, c.reason, c.until, c.final) for _, _, c in again[1:]] == [
        (Status.REJECTED, "rate_limit", None, False),
        (Status.DEFERRED, "retry_later", 7, False),
    ]
    never = walk([Claimed(), AttemptRefused("not_on_whatsapp", Fail("unreachable"), 131026)])
    assert [(c.status, c.reason, c.error_code, c.final) for _, _, c in never[1:]] == [
        (Status.REJECTED, "not_on_whatsapp", 131026, False),
        (Status.FAILED, "unreachable", 131026, True),
    ]


def test_acceptance_after_the_lease_counts_and_refusal_does_not() -> None:
    late_yes = walk([Claimed(), OutcomeUnknown("lease_ran_out", StatusSource.CHECK), AttemptAccepted("wamid.1")])
    assert [change.status for _, _, change in late_yes] == [Status.SENDING, Status.UNKNOWN, Status.ACCEPTED]
    assert late_yes[-1][2].message_id == "wamid.1"
    late_no = transition(Status.UNKNOWN, "lease_ran_out", AttemptRefused("rate_limit", Defer("retry_later", 7)))
    assert late_no == NoChange("is_unknown")


def test_operator_settles_unresolved_as_sent_or_unsent() -> None:
    sent = transition(Status.UNRESOLVED, "gave_up", AttemptAccepted(None, StatusSource.OPERATOR))
    assert sent == (Change(Status.ACCEPTED, StatusSource.OPERATOR, "by_operator", closes=True),)
    not_sent = transition(Status.UNRESOLVED, "gave_up", ConfirmedUnsent())
    assert not_sent == (Change(Status.PLANNED, StatusSource.OPERATOR, publish=False),)


def test_delivery_overrides_failure_but_not_the_reverse() -> None:
    late = transition(Status.FAILED, "error_131026", Reported(Progress.DELIVERED, StatusSource.WEBHOOK))
    assert late == (Change(Status.DELIVERED, StatusSource.WEBHOOK),)
    failed = Reported(Progress.FAILED, StatusSource.WEBHOOK, "error_131026", 131026)
    assert transition(Status.DELIVERED, None, failed) == NoChange("already_delivered")
    assert transition(Status.READ, None, failed) == NoChange("already_read")


@pytest.mark.parametrize("status", sorted(Status))
def test_sent_reminder_cannot_be_cancelled(status: Status) -> None:
    changes = transition(status, None, Cancel("returned"))
    if status in UNSENT:
        assert changes == (Change(Status.CANCELLED, StatusSource.CHECK, "returned"),)
    else:
        assert changes == NoChange(f"is_{status}")


def test_every_status_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(Status)
    assert {status for status in Status if not TRANSITIONS[status]} <= FINAL
    assert not UNSENT & (FINAL | IN_DOUBT)
    assert len(get_args(Event)) == 10
