"""Answers, refusals, silence and crashes: nobody is written to twice, and nothing is forgotten."""

import asyncio

import pytest

from consumer.clock import DAY, HOUR, MINUTE, SECOND
from consumer.deliver.sending.results import AttemptResult
from consumer.ledger import queries
from consumer.onemsg.api_errors import ApiErrorKind, OneMsgError
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Rejected, Remedy, Unknown

from .deliver_diary import LEASE, Diary, Killed
from .detect_diary import moment

BLOCKED = Rejected(reason="payment_problem", remedy=Remedy.CHANNEL, error_code=131042)
NO_TEMPLATE = Rejected(reason="template_missing", remedy=Remedy.CHANNEL, error_code=132001, template=True)


# Interrupted


def test_killed_in_the_middle_of_a_request_it_is_unknown_and_never_sent_again(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.channel.answers = [Killed()]
    with pytest.raises(Killed):
        deliver.works()
    deliver.crashes_and_restarts().works().says_nothing()
    deliver.after(LEASE - 1).works().says_nothing()
    deliver.after(1).works().says("maria unknown lease_ran_out").went_out("Maria")
    assert (deliver.topic[-1].source, deliver.topic[-1].final, deliver.topic[-1].attempt) == ("check", False, 1)
    assert deliver.metrics.unknown_sends._value.get() == 1
    for _ in range(5):
        deliver.after(2 * HOUR).detect_is_at().due("maria", lapsed="Mon 09:00").works().says_nothing()
    deliver.after(DAY).detect_is_at().works().says("maria unresolved gave_up").went_out("Maria")
    assert deliver.topic[-1].final
    assert deliver.metrics.unknown_sends._value.get() == 0


def test_killed_after_the_claim_nobody_was_written_to_and_it_is_unknown_all_the_same(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    assert len(deliver.claims.take(10).attempts) == 1
    deliver.crashes_and_restarts().after(LEASE).works().says("maria unknown lease_ran_out").went_out()


def test_a_process_that_was_paused_in_the_middle_of_a_batch_does_not_send_the_rest(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul").due("maria").due("paul")
    deliver.channel.answers = [LEASE]  # the first request is as long as the lease
    deliver.works()
    deliver.says("maria accepted", "paul unknown lease_ran_out").went_out("Maria")


def test_a_wall_clock_that_was_set_back_does_not_prolong_a_lease(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul").due("maria").due("paul")
    deliver.channel.answers = [LEASE]
    claim = deliver.claims.take(10)
    deliver.clock.jump(-HOUR)
    asyncio.run(deliver.sender._carry_out(claim))
    deliver.went_out("Maria")


def test_an_answer_that_comes_after_the_lease_still_settles_it(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    claim = deliver.claims.take(10)
    deliver.after(LEASE)
    asyncio.run(deliver.tracker.step())
    deliver.publishes().says("maria unknown lease_ran_out")
    (attempt,) = claim.attempts
    deliver.answers.record([AttemptResult(attempt.key, 1, attempt.started_at, Accepted(message_id="wamid.1"))])
    deliver.publishes().says("maria accepted")


@pytest.mark.parametrize("reason", ["timeout", "server_error", "queued", "no_id"])
def test_an_answer_that_leaves_it_open_is_never_followed_by_a_second_request(deliver: Diary, reason: str) -> None:
    deliver.knows("maria").due("maria")
    deliver.channel.answers = [Unknown(reason=reason)]
    deliver.works().says(f"maria unknown {reason}")
    deliver.at("Mon 12:00").detect_is_at().works().says_nothing()
    deliver.at("Tue 09:00").works().says("maria unresolved gave_up").went_out("Maria")


def test_a_client_that_breaks_is_an_unknown_and_not_a_crash(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.channel.answers = [ValueError("what is this?")]
    deliver.works().says("maria unknown client_error")


# Refused


def test_what_was_refused_for_now_is_tried_again_and_then_given_up(deliver: Diary) -> None:
    busy = Rejected(reason="provider_overloaded", remedy=Remedy.TRANSIENT, error_code=2)
    deliver.knows("maria").due("maria")
    deliver.channel.answers = [busy, NotTransmitted(reason="connect"), busy, busy]
    deliver.works().says("maria rejected provider_overloaded", "maria deferred retry_later")
    assert deliver.topic[-1].until is not None
    deliver.after(deliver.topic[-1].until - deliver.clock.now() - 1).works().says_nothing()
    deliver.after(1).works().says("maria rejected connect", "maria deferred retry_later")
    deliver.after(HOUR).detect_is_at().works()
    deliver.says("maria rejected provider_overloaded", "maria deferred retry_later")
    deliver.after(HOUR).detect_is_at().works()  # (what never left was no refusal of it)
    deliver.says("maria rejected provider_overloaded", "maria failed provider_overloaded")
    assert [(s.attempt, s.final) for s in deliver.topic[-2:]] == [(4, False), (4, True)]
    assert [s.sequence for s in deliver.topic] == [1, 2, 3, 4, 5, 6, 7, 8]
    deliver.after(DAY).detect_is_at().works().says_nothing()


def test_a_second_try_runs_all_the_checks_again(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.channel.answers = [NotTransmitted(reason="connect")]
    deliver.works().says("maria rejected connect", "maria deferred retry_later")
    deliver.knows("maria", opt_in=False).after(HOUR).detect_is_at().works().says("maria suppressed no_opt_in")


def test_what_will_never_be_taken_fails_at_once(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.channel.answers = [Rejected(reason="bad_parameter", remedy=Remedy.MESSAGE, error_code=100)]
    deliver.works().says("maria rejected bad_parameter", "maria failed bad_parameter")
    assert [(s.error_code, s.source) for s in deliver.topic] == [(100, "response"), (100, "response")]


def test_whoever_stopped_our_marketing_is_not_written_to_again_by_id_or_by_number(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.channel.answers = [Rejected(reason="opted_out", remedy=Remedy.OPT_OUT, error_code=131050)]
    deliver.works().says("maria rejected opted_out", "maria failed opted_out")
    said_before = moment("Mon 08:00")
    deliver.at("Wed 09:00").knows("maria", phone="+34 699 999 999", updated_at=said_before).due("maria", step=1).works()
    deliver.says("maria suppressed opted_out")
    deliver.knows("other", name="Other", updated_at=said_before).due("other").works().says("other suppressed opted_out")
    with deliver.ledger.reading() as connection:
        kept = str(connection.exec_driver_sql("SELECT * FROM opt_outs").all())
    assert "34612345678" not in kept


def test_a_report_or_a_setting_of_whatsapp_can_be_an_opt_out_too(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.reports("wamid.1", "failed", error="User has stopped receiving marketing messages")
    deliver.works().says("maria failed opted_out")
    deliver.at("Wed 09:00").due("maria", step=1).works().says("maria suppressed opted_out")
    deliver.posts(
        b'{"entry": [{"changes": [{"value": {"user_preferences": [{"wa_id": "34677777777",'
        b' "category": "marketing_messages", "value": "stop", "timestamp": "1790000000"}]}}]}]}'
    )
    deliver.knows("paul", name="Paul", phone="+34 677 777 777").due("paul").works().says("paul suppressed opted_out")


def test_too_fast_means_that_everything_waits(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul").due("maria")
    deliver.channel.answers = [Rejected(reason="rate_limited", remedy=Remedy.SLOW, retry_after=30 * SECOND)]
    deliver.works().says("maria rejected rate_limited", "maria deferred retry_later")
    deliver.due("paul").works().says_nothing()
    deliver.after(30 * SECOND).works().says("paul accepted", "maria accepted")


# Stopped


def test_a_refused_channel_stops_waits_and_is_tried_with_one_message(deliver: Diary) -> None:
    names = ("Ana", "Ben", "Cleo", "Dan")
    for name in names:
        deliver.knows(name, name=name).due(name)
    deliver.channel.answers = [BLOCKED] * 4
    deliver.works()
    assert {s.status for s in deliver.topic[0::2]} == {"rejected"}
    assert {(s.status, s.reason) for s in deliver.topic[1::2]} == {("deferred", "channel_stopped")}
    deliver._heard = len(deliver.topic)
    deliver.channel.answers = [BLOCKED] * 10
    deliver.after(MINUTE).detect_is_at().works().says("Ana rejected payment_problem", "Ana deferred channel_stopped")
    deliver.after(MINUTE).detect_is_at().works().says_nothing()
    deliver.knows("Eve", name="Eve").due("Eve").works().says("Eve deferred channel_stopped")
    deliver.channel.answers = []
    deliver.after(MINUTE).detect_is_at().works()
    told = [f"{status.user_id} {status.status}" for status in deliver.topic[deliver._heard :]]
    assert sorted(told) == [f"{name} accepted" for name in (*names, "Eve")]
    assert len(deliver.channel.sent) == len(names) + 1 + len(names) + 1
    assert [row.refusals for row in deliver.rows()] == [0] * 5


def test_a_stopped_channel_says_so_where_people_look(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.channel.answers = [BLOCKED]
    deliver.works()
    with deliver.ledger.reading() as connection:
        state = queries.channels.states(connection, "whatsapp")["whatsapp"]
    assert (state.stopped_because, state.stopped_at) == ("payment_problem", moment("Mon 09:00"))
    assert state.probe_at == moment("Mon 09:01")


def test_what_expires_while_the_channel_is_stopped_is_never_sent(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul").due("maria")
    deliver.channel.answers = [BLOCKED] * 100
    deliver.works().says("maria rejected payment_problem", "maria deferred channel_stopped")
    deliver.at("Thu 09:01").detect_is_at().works().says("maria suppressed expired").went_out("Maria")


def test_a_template_that_is_refused_stops_alone(deliver: Diary) -> None:
    for user in ("Ana", "Ben"):
        deliver.knows(user, name=user)
    deliver.due("Ana")
    deliver.channel.answers = [NO_TEMPLATE]
    deliver.works().says("Ana rejected template_missing", "Ana deferred template_unusable")
    deliver.due("Ben").works().says("Ben deferred template_unusable")
    deliver.due("Ben", "checkout").works().says("Ben accepted")
    deliver.channel.answers = [NO_TEMPLATE]
    deliver.after(MINUTE).detect_is_at().works()
    deliver.says("Ana rejected template_missing", "Ana deferred template_unusable")
    deliver.after(MINUTE).detect_is_at().works().says_nothing()
    deliver.after(MINUTE).detect_is_at().works()
    assert sorted(f"{status.user_id} {status.status}" for status in deliver.topic[-2:]) == [
        "Ana accepted",
        "Ben accepted",
    ]
    assert len(deliver.channel.sent) == 5


def test_five_silences_in_a_row_stop_the_channel(deliver: Diary) -> None:
    names = [f"user {n}" for n in range(8)]
    for name in names:
        deliver.knows(name, name=name)
    deliver.channel.answers = [Unknown(reason="timeout")] * 5
    for name in names[:5]:
        deliver.due(name).works()
    deliver.says(*(f"{name} unknown timeout" for name in names[:5]))
    deliver.due(names[5]).works().says("user 5 deferred channel_stopped")
    deliver.after(MINUTE).detect_is_at().due(names[6]).works()
    deliver.says("user 5 accepted", "user 6 accepted")
    assert deliver.channel.asked == ["status"]


def test_a_channel_that_fell_silent_is_asked_how_it_is_before_a_message_is_risked(deliver: Diary) -> None:
    names = [f"user {n}" for n in range(6)]
    for name in names:
        deliver.knows(name, name=name)
    deliver.channel.answers = [Unknown(reason="timeout")] * 5
    for name in names:
        deliver.due(name).works()
    assert len(deliver.channel.sent) == 5
    deliver.channel.trouble = OneMsgError(ApiErrorKind.UNAVAILABLE, "status: no answer")
    deliver.after(MINUTE).detect_is_at().works()
    deliver.channel.trouble, deliver.channel.state = None, "connecting"
    deliver.after(2 * MINUTE).detect_is_at().works()
    assert (deliver.channel.asked.count("status"), len(deliver.channel.sent)) == (2, 5)
    deliver.channel.state = "connected"
    deliver.after(2 * MINUTE).detect_is_at().works()
    assert len(deliver.channel.sent) == 5
    deliver.after(2 * MINUTE).detect_is_at().works()
    assert (deliver.channel.asked.count("status"), len(deliver.channel.sent)) == (3, 6)
