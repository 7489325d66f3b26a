"""A return or a completion cancels the reminder, whatever it waits for, before and after its lapse record."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consumer.clock import DAY, HOUR, MINUTE
from consumer.deliver.operations import pauses
from consumer.deliver.operations.resolve import resolve
from consumer.deliver.unit_of_work import unit_of_work
from consumer.ledger import queries
from consumer.ledger.queries.operating.selections import UnresolvedSelection
from consumer.onemsg.outcomes import NotTransmitted, Outcome, Rejected, Remedy, Unknown
from consumer.send_window import Window

from .deliver_diary import PLANS, Diary
from .detect_diary import moment

Begin = Callable[..., Diary]
NIGHT = {name: replace(plan, window=Window(22 * HOUR, 2 * HOUR)) for name, plan in PLANS.items()}
BY_REFUSAL: dict[str, Outcome] = {
    "retry_later": NotTransmitted(reason="connect"),
    "recipient_hold": Rejected(reason="marketing_limit", remedy=Remedy.DAY, error_code=131049),
    "channel_stopped": Rejected(reason="credential", remedy=Remedy.CHANNEL),
    "template_unusable": Rejected(reason="template_missing", remedy=Remedy.CHANNEL, template=True, error_code=132001),
}
REASONS = ("detect_behind", "no_contact", "quiet_hours", "frequency_cap", "too_soon", "paused", *BY_REFUSAL)


def waiting(begin: Begin, reason: str) -> Diary:
    """Return a diary in which maria's account setup lapsed on Monday at nine and is deferred for this reason."""
    settings: dict[str, dict[str, Any]] = {"quiet_hours": {"plans": NIGHT}, "frequency_cap": {"caps": {DAY: 1}}}
    diary = begin(**settings.get(reason, {}))
    if reason != "no_contact":
        diary.knows("maria", timezone="UTC")
    if reason == "paused":
        with diary.ledger.transaction() as connection:
            queries.pauses.pause(connection, "account-setup", diary.clock.now())
    elif reason == "frequency_cap":
        diary.due("maria", "checkout")
    elif reason == "too_soon":
        diary.due("maria").at("Tue 12:00").detect_is_at()  # the first message was late
    elif reason in BY_REFUSAL:
        diary.onemsg.answers = [BY_REFUSAL[reason]]
        if reason == "recipient_hold":
            diary.due("maria", "checkout", lapsed="Mon 08:59").detect_is_at()
    diary.works()
    if reason == "detect_behind":
        diary.at("Mon 09:10").due("maria", lapsed="Mon 09:00").works()
    elif reason == "too_soon":
        diary.at("Wed 09:00").due("maria", step=1).works()
    else:
        diary.due("maria", lapsed="Mon 09:00").works()
    assert (diary.topic[-1].process, diary.topic[-1].reason) == ("account-setup", reason)
    diary.unchecked()
    return diary


def everything_is_well_again(diary: Diary) -> Diary:
    with diary.ledger.transaction() as connection:
        pauses.resume(connection, "account-setup")
    diary.at("Wed 23:00").knows("maria", timezone="UTC").detect_is_at()
    return diary.works()


@pytest.mark.parametrize("ending", ["returned", "completed"])
@pytest.mark.parametrize("reason", REASONS)
def test_deferred_reminder_is_cancelled_for_every_reason(begin: Begin, reason: str, ending: str) -> None:
    diary = waiting(begin, reason)
    before = len(diary.onemsg.sent)
    step, lapsed, now = (1, "Wed 09:00", "Wed 10:00") if reason == "too_soon" else (0, "Mon 09:00", "Tue 08:30")
    end = getattr(diary.at(now), ending)
    end("maria", step=step, lapsed=lapsed).publishes().says(f"maria cancelled {ending}")
    assert diary.topic[-1].final
    assert diary.topic[-1].occurred_at == moment(now)
    end("maria", step=step, lapsed=lapsed)  # repeated, and then the other ending
    diary.completed("maria", step=step, lapsed=lapsed)
    mine = [
        status
        for status in everything_is_well_again(diary).unchecked()
        if status.process != "checkout" and status.step == step
    ]
    assert mine == []
    assert [message.template for message in diary.onemsg.sent[before:]] in ([], ["order_waiting"])


@pytest.mark.parametrize("ending", ["returned", "completed"])
def test_planned_reminder_is_cancelled(deliver: Diary, ending: str) -> None:
    deliver.knows("maria").due("maria")
    getattr(deliver, ending)("maria").works().says(f"maria cancelled {ending}").went_out()


@pytest.mark.parametrize("ending", ["returned", "completed"])
def test_ending_days_before_its_lapse_record(deliver: Diary, ending: str) -> None:
    deliver.knows("maria")
    getattr(deliver.at("Tue 09:00"), ending)("maria", lapsed="Mon 09:00").works().says(f"maria cancelled {ending}")
    deliver.crashes_and_restarts()
    deliver.at("Wed 09:00").due("maria", lapsed="Mon 09:00").detect_is_at().works().says_nothing().went_out()


def test_first_of_two_endings_before_the_lapse_is_the_reason(deliver: Diary) -> None:
    deliver.knows("maria").completed("maria").returned("maria").due("maria").works()
    deliver.says("maria cancelled completed").went_out()
    (row,) = deliver.rows()
    assert (row.completed_at, row.returned_at) == (moment("Mon 09:00"), moment("Mon 09:00"))


def test_ending_of_an_older_lapse_leaves_the_newer_one(deliver: Diary) -> None:
    deliver.knows("maria").at("Wed 09:00").due("maria", step=1)
    deliver.returned("maria", step=0, lapsed="Mon 09:00").detect_is_at().works()
    deliver.says("maria cancelled returned", "maria accepted").went_out("Maria")


@pytest.mark.parametrize("ending", ["returned", "completed"])
@pytest.mark.parametrize("given_up", [False, True])
def test_unknown_attempt_of_a_returned_user_is_not_resent_after_resolve(
    deliver: Diary, ending: str, given_up: bool
) -> None:
    deliver.onemsg.answers = [Unknown(reason="timeout")]
    deliver.knows("maria").due("maria").works().says("maria unknown timeout")
    if given_up:
        deliver.at("Tue 09:00").detect_is_at().works().says("maria unresolved gave_up")
    getattr(deliver.after(MINUTE), ending)("maria", lapsed="Mon 09:00").works().says_nothing()
    if not given_up:
        deliver.at("Tue 09:00").detect_is_at().works().says("maria unresolved gave_up")
    with unit_of_work(deliver.ledger, deliver.metrics, deliver.clock.now()) as work:
        resolve(work, UnresolvedSelection(reminder_id=deliver.rows()[0].reminder_id), sent=False)
    deliver.detect_is_at().works().says(f"maria cancelled {ending}").went_out("Maria")
