"""Failures reported later: retried where allowed, held, and overridden by a delivery."""

from typing import Any

from consumer.clock import DAY, HOUR, MINUTE
from consumer.onemsg.outcomes import Rejected, Remedy

from .deliver_diary import Diary


def failed(deliver: Diary, code: int, message_id: str = "wamid.1") -> Diary:
    """The raw form, which has the code (docs/1msg.md#raw-bodies-of-meta)."""
    error: dict[str, Any] = {"code": code, "title": "…"}
    return deliver.reports(message_id, "failed", errors=[error])


def failed_after_sending(deliver: Diary, code: int) -> Diary:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    return failed(deliver, code).works()


def test_reported_marketing_limit_holds_every_process(deliver: Diary) -> None:
    failed_after_sending(deliver, 131049).says("maria failed marketing_limit", "maria deferred retry_later")
    assert [(s.final, s.error_code) for s in deliver.topic[-2:]] == [(False, 131049), (False, 131049)]
    deliver.at("Mon 12:00").detect_is_at().due("maria", "checkout").works().says("maria deferred recipient_hold")
    deliver.at("Mon 23:00").detect_is_at().works().says_nothing().went_out("Maria")
    deliver.at("Tue 09:00").detect_is_at().works().went_out("Maria", "Maria", "Maria")
    records = {(s.process, s.status) for s in deliver.topic[-2:]}
    assert records == {("account-setup", "accepted"), ("checkout", "accepted")}


def test_reported_failures_end_at_max_attempts(deliver: Diary) -> None:
    failed_after_sending(deliver, 131000).says("maria failed provider_error", "maria deferred retry_later")
    for number in (2, 3):
        deliver.after(HOUR).detect_is_at().works().says("maria accepted")
        failed(deliver, 131000, f"wamid.{number}").works()
        if number == 2:
            deliver.says("maria failed provider_error", "maria deferred retry_later")
    deliver.says("maria failed provider_error")
    assert deliver.topic[-1].final
    deliver.after(HOUR).detect_is_at().works().says_nothing()


def test_delivery_after_a_reported_failure_cancels_the_retry(deliver: Diary) -> None:
    failed_after_sending(deliver, 131049).says("maria failed marketing_limit", "maria deferred retry_later")
    deliver.reports("wamid.1", "delivered").works().says("maria delivered")
    deliver.after(DAY).detect_is_at().works().says_nothing().went_out("Maria")


def test_repeated_failure_report_counts_once(deliver: Diary) -> None:
    failed_after_sending(deliver, 131000).says("maria failed provider_error", "maria deferred retry_later")
    failed(deliver, 131000).works().says_nothing()
    assert [row.counted_attempts for row in deliver.rows()] == [1]


def test_reported_unreachable_holds_every_process(deliver: Diary) -> None:
    failed_after_sending(deliver, 131026).says("maria failed unreachable")
    deliver.at("Mon 12:00").detect_is_at().due("maria", "checkout").works().says("maria suppressed unreachable")
    deliver.at("Mon 13:00").detect_is_at().knows("maria", phone="+34 612 345 679").due("maria", "checkout").works()
    deliver.says("maria accepted")


def test_person_who_is_put_on_the_test_list_can_be_written_to_at_once(deliver: Diary) -> None:
    failed_after_sending(deliver, 131030).says("maria failed not_on_test_list")
    deliver.at("Mon 12:00").detect_is_at().due("maria", "checkout").works().says("maria accepted")


def test_delivery_lifts_the_unreachable_hold(deliver: Diary) -> None:
    failed_after_sending(deliver, 131026).reports("wamid.1", "delivered").works()
    deliver.says("maria failed unreachable", "maria delivered")
    deliver.at("Mon 12:00").detect_is_at().due("maria", "checkout").works().says("maria accepted")


def test_reported_opt_out(deliver: Diary) -> None:
    failed_after_sending(deliver, 131050).says("maria failed opted_out")
    deliver.at("Mon 12:00").detect_is_at().due("maria", "checkout").works().says("maria suppressed opted_out")


def test_name_that_a_report_quotes_decides_nothing(deliver: Diary) -> None:
    deliver.knows("mallory", name="Unauthorized (#190)").due("mallory").works().says("mallory accepted")
    deliver.reports("wamid.1", "failed", error='Invalid parameter "Unauthorized (#190)"').works()
    deliver.says("mallory failed bad_parameter")
    deliver.knows("ana", phone="+34 612 345 670").due("ana").works().says("ana accepted")


def test_refusal_in_the_answer_holds_the_phone(deliver: Diary) -> None:
    deliver.onemsg.answers = [Rejected(reason="marketing_limit", remedy=Remedy.DAY, error_code=131049)]
    deliver.knows("maria").due("maria").works().says("maria rejected marketing_limit", "maria deferred retry_later")
    deliver.at("Mon 12:00").detect_is_at().due("maria", "checkout").works().says("maria deferred recipient_hold")


def test_reported_payment_problem_stops_the_channel(deliver: Diary) -> None:
    failed_after_sending(deliver, 131042).says("maria failed payment_problem", "maria deferred channel_stopped")
    deliver.knows("paul", name="Paul").due("paul").works().says("paul deferred channel_stopped")
    deliver.after(MINUTE).detect_is_at().works()
    assert [s.status for s in deliver.unchecked()] == ["accepted"]  # the failed message had been accepted as well
    deliver.reports("wamid.2", "delivered").works()
    assert sorted(s.status for s in deliver.unchecked()) == ["accepted", "delivered"]


def test_missing_report_ends_in_no_report(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().reports("wamid.1", "sent").works()
    deliver.says("maria accepted", "maria sent")
    deliver.after(DAY - 1).works().says_nothing()
    deliver.after(2 * MINUTE).works().says("maria sent no_report")
    assert deliver.topic[-1].final
    deliver.after(DAY).works().says_nothing()
    deliver.reports("wamid.1", "delivered").works().says("maria delivered")
