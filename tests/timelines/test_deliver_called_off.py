"""Whoever comes back, or finishes, is not written to: whatever their reminder waits for, and whoever was told first."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumer.clock import DAY, HOUR, MINUTE
from consumer.deliver.operations import pauses
from consumer.deliver.operations.resolve import resolve
from consumer.deliver.unit_of_work import unit_of_work
from consumer.ledger import queries
from consumer.ledger.queries.reminders import UnresolvedSelection
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


@pytest.fixture
def begin(ledger_url: str, tmp_path: Path) -> Iterator[Begin]:
    begun: list[Diary] = []

    def so(**more: Any) -> Diary:
        begun.append(Diary(tmp_path, url=ledger_url, **more))
        return begun[-1]

    yield so
    for diary in begun:
        diary.close()


def waiting(begin: Begin, reason: str) -> Diary:
    """Maria's account setup lapsed on Monday at nine, and its reminder waits for this."""
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
        diary.channel.answers = [BY_REFUSAL[reason]]
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
    diary._heard = len(diary.topic)
    return diary


def everything_is_well_again(diary: Diary) -> Diary:
    with diary.ledger.transaction() as connection:
        pauses.resume(connection, "account-setup")
    diary.at("Wed 23:00").knows("maria", timezone="UTC").detect_is_at()
    return diary.works()


@pytest.mark.parametrize("ending", ["returned", "completed"])
@pytest.mark.parametrize("reason", REASONS)
def test_whatever_it_waits_for_it_is_called_off_at_once_and_for_good(begin: Begin, reason: str, ending: str) -> None:
    diary = waiting(begin, reason)
    before = len(diary.channel.sent)
    step, lapsed, now = (1, "Wed 09:00", "Wed 10:00") if reason == "too_soon" else (0, "Mon 09:00", "Tue 08:30")
    tell = getattr(diary.at(now), ending)
    tell("maria", step=step, lapsed=lapsed).publishes().says(f"maria cancelled {ending}")
    assert diary.topic[-1].final
    assert diary.topic[-1].occurred_at == moment(now)
    tell("maria", step=step, lapsed=lapsed)  # told twice, and told by both
    diary.completed("maria", step=step, lapsed=lapsed)
    mine = [
        status
        for status in everything_is_well_again(diary).topic[diary._heard :]
        if status.process != "checkout" and status.step == step
    ]
    assert mine == []
    assert [message.template for message in diary.channel.sent[before:]] in ([], ["order_waiting"])


@pytest.mark.parametrize("ending", ["returned", "completed"])
def test_before_anybody_has_looked_at_it(deliver: Diary, ending: str) -> None:
    deliver.knows("maria").due("maria")
    getattr(deliver, ending)("maria").works().says(f"maria cancelled {ending}").went_out()


@pytest.mark.parametrize("ending", ["returned", "completed"])
def test_before_its_lapse_was_told_even_by_days_and_over_a_restart(deliver: Diary, ending: str) -> None:
    deliver.knows("maria")
    getattr(deliver.at("Tue 09:00"), ending)("maria", lapsed="Mon 09:00").works().says(f"maria cancelled {ending}")
    deliver.crashes_and_restarts()
    deliver.at("Wed 09:00").due("maria", lapsed="Mon 09:00").detect_is_at().works().says_nothing().went_out()


def test_both_may_overtake_the_lapse_and_the_first_to_come_is_the_reason(deliver: Diary) -> None:
    deliver.knows("maria").completed("maria").returned("maria").due("maria").works()
    deliver.says("maria cancelled completed").went_out()
    (row,) = deliver.rows()
    assert (row.completed_at, row.returned_at) == (moment("Mon 09:00"), moment("Mon 09:00"))


def test_a_word_about_an_older_lapse_leaves_the_newer_one_alone(deliver: Diary) -> None:
    deliver.knows("maria").at("Wed 09:00").due("maria", step=1)
    deliver.returned("maria", step=0, lapsed="Mon 09:00").detect_is_at().works()
    deliver.says("maria cancelled returned", "maria accepted").went_out("Maria")


@pytest.mark.parametrize("ending", ["returned", "completed"])
@pytest.mark.parametrize("given_up", [False, True])
def test_an_attempt_of_which_nobody_knows_is_not_made_again_even_if_an_operator_says_it_was_not_sent(
    deliver: Diary, ending: str, given_up: bool
) -> None:
    deliver.channel.answers = [Unknown(reason="timeout")]
    deliver.knows("maria").due("maria").works().says("maria unknown timeout")
    if given_up:
        deliver.at("Tue 09:00").detect_is_at().works().says("maria unresolved gave_up")
    getattr(deliver.after(MINUTE), ending)("maria", lapsed="Mon 09:00").works().says_nothing()
    if not given_up:
        deliver.at("Tue 09:00").detect_is_at().works().says("maria unresolved gave_up")
    with unit_of_work(deliver.ledger, deliver.metrics, deliver.clock.now()) as work:
        resolve(work, UnresolvedSelection(reminder_id=deliver.rows()[0].reminder_id), sent=False)
    deliver.detect_is_at().works().says(f"maria cancelled {ending}").went_out("Maria")
