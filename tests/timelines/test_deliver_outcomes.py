"""Outcomes of attempts: crashes, unclear answers, refusals and stopped channels."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from consumer.clock import DAY, HOUR, MINUTE, SECOND
from consumer.deliver.sending.results import AttemptResult
from consumer.ledger import queries
from consumer.onemsg.api_errors import ApiErrorKind, OneMsgError
from consumer.onemsg.outcomes import Accepted, NotTransmitted, Rejected, Remedy, Unknown
from consumer.records import WHATSAPP
from consumer.send_window import Window
from consumer.testing import LEASE, PLAN, Killed

from .deliver_diary import Diary
from .detect_diary import moment

Begin = Callable[..., Diary]
BLOCKED = Rejected(reason="payment_problem", remedy=Remedy.CHANNEL, error_code=131042)
NO_TEMPLATE = Rejected(reason="template_missing", remedy=Remedy.CHANNEL, error_code=132001, template=True)


# Crashes and leases


def test_crash_during_a_request(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.onemsg.answers = [Killed()]
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


def test_crash_between_claim_and_request(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    assert len(deliver.parts.claims.take(10).attempts) == 1
    deliver.crashes_and_restarts().after(LEASE).works().says("maria unknown lease_ran_out").went_out()


def test_suspended_process_does_not_send_after_its_lease(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul").due("maria").due("paul")
    deliver.onemsg.answers = [LEASE]  # the first request takes as long as the lease
    deliver.works()
    deliver.says("maria accepted", "paul unknown lease_ran_out").went_out("Maria")


def test_clock_set_back_does_not_prolong_a_lease(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul").due("maria").due("paul")
    deliver.onemsg.answers = [LEASE]
    claim = deliver.parts.claims.take(10)
    deliver.clock.jump(-HOUR)
    asyncio.run(deliver.parts.sender._carry_out(claim))
    deliver.went_out("Maria")


def test_answer_after_the_lease_settles_the_attempt(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    claim = deliver.parts.claims.take(10)
    deliver.after(LEASE)
    asyncio.run(deliver.parts.poller.step())
    deliver.publishes().says("maria unknown lease_ran_out")
    (attempt,) = claim.attempts
    deliver.parts.recorder.record([AttemptResult(attempt.key, 1, attempt.started_at, Accepted(message_id="wamid.1"))])
    deliver.publishes().says("maria accepted")


@pytest.mark.parametrize("reason", ["timeout", "server_error", "queued", "no_id"])
def test_unclear_answer_is_never_followed_by_a_second_request(deliver: Diary, reason: str) -> None:
    deliver.knows("maria").due("maria")
    deliver.onemsg.answers = [Unknown(reason=reason)]
    deliver.works().says(f"maria unknown {reason}")
    deliver.at("Mon 12:00").detect_is_at().works().says_nothing()
    deliver.at("Tue 09:00").works().says("maria unresolved gave_up").went_out("Maria")


def test_client_exception_is_unknown(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.onemsg.answers = [ValueError("what is this?")]
    deliver.works().says("maria unknown client_error")


# Refusals


def test_transient_refusals_are_retried_up_to_max_attempts(deliver: Diary) -> None:
    busy = Rejected(reason="provider_overloaded", remedy=Remedy.TRANSIENT, error_code=2)
    deliver.knows("maria").due("maria")
    deliver.onemsg.answers = [busy, NotTransmitted(reason="connect"), busy, busy]
    deliver.works().says("maria rejected provider_overloaded", "maria deferred retry_later")
    assert deliver.topic[-1].until is not None
    deliver.after(deliver.topic[-1].until - deliver.clock.now() - 1).works().says_nothing()
    deliver.after(1).works().says("maria rejected connect", "maria deferred retry_later")
    deliver.after(HOUR).detect_is_at().works()
    deliver.says("maria rejected provider_overloaded", "maria deferred retry_later")
    deliver.after(HOUR).detect_is_at().works()  # the connection failure did not count
    deliver.says("maria rejected provider_overloaded", "maria failed provider_overloaded")
    assert [(s.attempt, s.final) for s in deliver.topic[-2:]] == [(4, False), (4, True)]
    assert [s.sequence for s in deliver.topic] == [1, 2, 3, 4, 5, 6, 7, 8]
    deliver.after(DAY).detect_is_at().works().says_nothing()


def test_retry_runs_all_checks_again(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.onemsg.answers = [NotTransmitted(reason="connect")]
    deliver.works().says("maria rejected connect", "maria deferred retry_later")
    deliver.knows("maria", opt_in=False).after(HOUR).detect_is_at().works().says("maria suppressed no_opt_in")


def test_final_refusal_fails_at_once(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.onemsg.answers = [Rejected(reason="bad_parameter", remedy=Remedy.MESSAGE, error_code=100)]
    deliver.works().says("maria rejected bad_parameter", "maria failed bad_parameter")
    assert [(s.error_code, s.source) for s in deliver.topic] == [(100, "response"), (100, "response")]


def test_opt_out_refusal_stops_user_and_phone(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.onemsg.answers = [Rejected(reason="opted_out", remedy=Remedy.OPT_OUT, error_code=131050)]
    deliver.works().says("maria rejected opted_out", "maria failed opted_out")
    said_before = moment("Mon 08:00")
    deliver.at("Wed 09:00").knows("maria", phone="+34 699 999 999", updated_at=said_before).due("maria", step=1).works()
    deliver.says("maria suppressed opted_out")
    deliver.knows("other", name="Other", updated_at=said_before).due("other").works().says("other suppressed opted_out")
    with deliver.ledger.reading() as connection:
        kept = str(connection.exec_driver_sql("SELECT * FROM opt_outs").all())
    assert "34612345678" not in kept


def test_opt_out_by_report_or_user_preference(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.reports("wamid.1", "failed", error="User has stopped receiving marketing messages")
    deliver.works().says("maria failed opted_out")
    deliver.at("Wed 09:00").due("maria", step=1).works().says("maria suppressed opted_out")
    deliver.posts(
        b'{"entry": [{"changes": [{"value": {"user_preferences": [{"wa_id": "34677777777",'
        b' "category": "marketing_messages", "value": "stop", "timestamp": "1790000000"}]}}]}]}'
    )
    deliver.knows("paul", name="Paul", phone="+34 677 777 777").due("paul").works().says("paul suppressed opted_out")


def test_rate_refusal_pauses_the_medium(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul").due("maria")
    deliver.onemsg.answers = [Rejected(reason="rate_limited", remedy=Remedy.SLOW, retry_after=30 * SECOND)]
    deliver.works().says("maria rejected rate_limited", "maria deferred retry_later")
    deliver.due("paul").works().says_nothing()
    deliver.after(30 * SECOND).works().says("paul accepted", "maria accepted")


# Circuit breakers


def test_channel_refusal_opens_the_breaker_until_a_probe(deliver: Diary) -> None:
    names = ("Ana", "Ben", "Cleo", "Dan")
    for name in names:
        deliver.knows(name, name=name).due(name)
    deliver.onemsg.answers = [BLOCKED] * 4
    deliver.works()
    assert {s.status for s in deliver.topic[0::2]} == {"rejected"}
    assert {(s.status, s.reason) for s in deliver.topic[1::2]} == {("deferred", "channel_stopped")}
    deliver.unchecked()
    deliver.onemsg.answers = [BLOCKED] * 10
    deliver.after(MINUTE).detect_is_at().works().says("Ana rejected payment_problem", "Ana deferred channel_stopped")
    deliver.after(MINUTE).detect_is_at().works().says_nothing()
    deliver.knows("Eve", name="Eve").due("Eve").works().says("Eve deferred channel_stopped")
    deliver.onemsg.answers = []
    deliver.after(MINUTE).detect_is_at().works()
    statuses = [f"{status.user_id} {status.status}" for status in deliver.unchecked()]
    assert sorted(statuses) == [f"{name} accepted" for name in (*names, "Eve")]
    assert len(deliver.onemsg.sent) == len(names) + 1 + len(names) + 1
    assert [row.counted_attempts for row in deliver.rows()] == [0] * 5


def test_breaker_row_of_a_stopped_channel(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.onemsg.answers = [BLOCKED]
    deliver.works()
    with deliver.ledger.reading() as connection:
        state = queries.channels.states(connection, WHATSAPP)[WHATSAPP]
    assert (state.stopped_because, state.stopped_at) == ("payment_problem", moment("Mon 09:00"))
    assert state.probe_at == moment("Mon 09:01")


def test_reminder_expires_while_the_channel_is_stopped(deliver: Diary) -> None:
    deliver.knows("maria").knows("paul", name="Paul").due("maria")
    deliver.onemsg.answers = [BLOCKED] * 100
    deliver.works().says("maria rejected payment_problem", "maria deferred channel_stopped")
    deliver.at("Thu 09:01").detect_is_at().works().says("maria suppressed expired").went_out("Maria")


def test_template_refusal_stops_only_that_template(deliver: Diary) -> None:
    for user in ("Ana", "Ben"):
        deliver.knows(user, name=user)
    deliver.due("Ana")
    deliver.onemsg.answers = [NO_TEMPLATE]
    deliver.works().says("Ana rejected template_missing", "Ana deferred template_unusable")
    deliver.due("Ben").works().says("Ben deferred template_unusable")
    deliver.due("Ben", "checkout").works().says("Ben accepted")
    deliver.onemsg.answers = [NO_TEMPLATE]
    deliver.after(MINUTE).detect_is_at().works()
    deliver.says("Ana rejected template_missing", "Ana deferred template_unusable")
    deliver.after(MINUTE).detect_is_at().works().says_nothing()
    deliver.after(MINUTE).detect_is_at().works()
    assert sorted(f"{status.user_id} {status.status}" for status in deliver.topic[-2:]) == [
        "Ana accepted",
        "Ben accepted",
    ]
    assert len(deliver.onemsg.sent) == 5


def test_five_unknowns_open_the_breaker(deliver: Diary) -> None:
    names = [f"user {n}" for n in range(8)]
    for name in names:
        deliver.knows(name, name=name)
    deliver.onemsg.answers = [Unknown(reason="timeout")] * 5
    for name in names[:5]:
        deliver.due(name).works()
    deliver.says(*(f"{name} unknown timeout" for name in names[:5]))
    deliver.due(names[5]).works().says("user 5 deferred channel_stopped")
    deliver.after(MINUTE).detect_is_at().due(names[6]).works()
    deliver.says("user 5 accepted", "user 6 accepted")
    assert deliver.onemsg.asked == ["status"]


def test_status_is_checked_before_the_probe(deliver: Diary) -> None:
    names = [f"user {n}" for n in range(6)]
    for name in names:
        deliver.knows(name, name=name)
    deliver.onemsg.answers = [Unknown(reason="timeout")] * 5
    for name in names:
        deliver.due(name).works()
    assert len(deliver.onemsg.sent) == 5
    deliver.onemsg.failure = OneMsgError(ApiErrorKind.UNAVAILABLE, "status: no answer")
    deliver.after(MINUTE).detect_is_at().works()
    deliver.onemsg.failure, deliver.onemsg.state = None, "connecting"
    deliver.after(2 * MINUTE).detect_is_at().works()
    assert (deliver.onemsg.asked.count("status"), len(deliver.onemsg.sent)) == (2, 5)
    deliver.onemsg.state = "connected"
    deliver.after(2 * MINUTE).detect_is_at().works()
    assert len(deliver.onemsg.sent) == 5
    deliver.after(2 * MINUTE).detect_is_at().works()
    assert (deliver.onemsg.asked.count("status"), len(deliver.onemsg.sent)) == (3, 6)


def stopped_by_silence(deliver: Diary) -> Diary:
    deliver.onemsg.answers = [Unknown(reason="timeout")] * 5
    for name in [f"user {n}" for n in range(5)]:
        deliver.knows(name, name=name).due(name).works()
    return deliver


def test_status_of_a_stopped_channel_is_not_asked_while_nothing_waits(deliver: Diary) -> None:
    stopped_by_silence(deliver)
    for _ in range(20):
        deliver.after(20 * MINUTE).detect_is_at().works_in_silence()
    assert "status" not in deliver.onemsg.asked


def test_status_of_a_stopped_channel_is_asked_once_where_nothing_may_go_out_now(begin: Begin) -> None:
    night = replace(PLAN, window=Window(opens=20 * HOUR, closes=21 * HOUR))
    deliver = begin(plans={"account-setup": PLAN, "checkout": night})
    stopped_by_silence(deliver)
    for name in [f"user {n}" for n in range(10, 40)]:
        deliver.knows(name, name=name).due(name, "checkout").works_in_silence()
    for _ in range(60):
        deliver.after(MINUTE).detect_is_at().works_in_silence()
    assert deliver.onemsg.asked.count("status") == 1
    assert {row.reason for row in deliver.rows() if row.process == "checkout"} == {"quiet_hours"}
