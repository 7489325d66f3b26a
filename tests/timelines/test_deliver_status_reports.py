"""Status reports: early, late, repeated, out of order, unmatched, unreadable, or missing."""

import asyncio
from pathlib import Path

from consumer.clock import DAY, HOUR, MINUTE
from consumer.onemsg.api_errors import ApiErrorKind, OneMsgError
from consumer.onemsg.outcomes import Unknown
from consumer.onemsg.webhook.notifications import Progress, StatusReport

from .deliver_diary import Diary


def report(progress: Progress, message_id: str = "wamid.1") -> StatusReport:
    return StatusReport(message_id=message_id, progress=progress)


def test_report_before_the_answer_is_stored(deliver: Diary) -> None:
    deliver.reports("wamid.1", "sent", "delivered").works().says_nothing()
    assert deliver.metrics.parked_reports._value.get() == 2
    deliver.knows("maria").due("maria").works()
    deliver.says("maria accepted", "maria sent", "maria delivered")
    deliver.works()
    assert deliver.metrics.parked_reports._value.get() == 0


def test_repeated_and_reordered_reports(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    for status in ("delivered", "sent", "delivered", "read", "delivered", "viewed", "failed"):
        deliver.reports("wamid.1", status)
    deliver.works().says("maria delivered", "maria read")


def test_delivery_after_a_failure(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works()
    deliver.reports("wamid.1", "failed", error="Message undeliverable").works()
    deliver.says("maria accepted", "maria failed unreachable")
    assert (deliver.topic[-1].error_code, deliver.topic[-1].final) == (131026, True)
    deliver.reports("wamid.1", "delivered").works().says("maria delivered")
    assert (deliver.topic[-1].error_code, deliver.topic[-1].final) == (None, True)


def test_unmatched_reports_are_kept_a_day(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.reports("wamid.of-somebody-else", "sent").works()
    assert deliver.metrics.parked_reports._value.get() == 1
    deliver.after(DAY).works().says("maria accepted no_report")
    assert deliver.metrics.parked_reports._value.get() == 1
    deliver.after(1).works().says_nothing()
    assert deliver.metrics.parked_reports._value.get() == 0


def test_unreadable_body_is_kept_a_day(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.posts(b'["no", "object"]', b'{"ack": [{"id": "wamid.1", "status": "sent"}]}', b"[]")
    deliver.works().says("maria sent")
    assert deliver.kept_bodies() == [b'["no", "object"]', b"[]"]
    deliver.after(DAY + 1).works()
    assert deliver.kept_bodies() == []


def test_stored_body_is_applied_after_a_restart(deliver: Diary, tmp_path: Path) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.parts.inbox._store([b'{"ack": [{"id": "wamid.1", "status": "read"}]}'])
    deliver.crashes_and_restarts()
    assert asyncio.run(deliver.parts.inbox.step()) == 1
    deliver.publishes().says("maria read")


def test_hookinfo_is_polled_with_backoff(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().says("maria accepted")
    deliver.after(2 * MINUTE - 1).works()
    assert deliver.onemsg.asked == []
    asked_after: list[int] = []
    for minute in range(1, 32):
        deliver.at(f"Mon 09:{minute:02}").works()
        if len(deliver.onemsg.asked) > len(asked_after):
            asked_after.append(minute)
    assert asked_after == [2, 6, 14, 30]
    deliver.onemsg.hooks["wamid.1"] = (report(Progress.SENT), report(Progress.DELIVERED))
    deliver.at("Mon 10:02").works().says("maria sent", "maria delivered")
    assert {s.source for s in deliver.topic[-2:]} == {"poll"}
    polls = len(deliver.onemsg.asked)
    deliver.after(DAY).works().says_nothing()
    assert len(deliver.onemsg.asked) == polls


def test_report_postpones_the_poll(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works()
    deliver.at("Mon 09:01").reports("wamid.1", "sent").works()
    deliver.at("Mon 09:02:59").works()
    assert deliver.onemsg.asked == []
    deliver.at("Mon 09:03").works()
    assert deliver.onemsg.asked == ["wamid.1"]


def test_unknown_is_not_polled_by_hookinfo(deliver: Diary) -> None:
    deliver.knows("maria").due("maria")
    deliver.onemsg.answers = [Unknown(reason="timeout")]
    deliver.works().after(HOUR).works()
    assert deliver.onemsg.asked == []


def test_polling_ends_after_give_up_after(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works()
    for _ in range(60):
        deliver.after(HOUR).works()
    polls = len(deliver.onemsg.asked)
    assert polls < 40
    deliver.after(DAY).works()
    assert len(deliver.onemsg.asked) == polls
    deliver.says("maria accepted", "maria accepted no_report")
    deliver.reports("wamid.1", "read").works().says("maria read")


def test_failed_poll_is_repeated(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works()
    deliver.onemsg.failure = OneMsgError(ApiErrorKind.UNAVAILABLE, "hookInfo: no answer")
    deliver.at("Mon 09:02").works()
    deliver.onemsg.failure = None
    deliver.onemsg.hooks["wamid.1"] = (report(Progress.READ),)
    deliver.at("Mon 09:06").works().says("maria accepted", "maria read")
