"""A reminder keeps the trace context of the activity after which the person went quiet, until the person is erased."""

from sqlalchemy import select
from structlog.testing import capture_logs

from consumer.clock import HOUR
from consumer.ledger.schema.tables import outbox, reminders
from consumer.onemsg.outcomes import NotTransmitted, Rejected, Remedy
from consumer.records import ReminderKind

from .deliver_diary import Diary
from .fallback_diary import FallbackDiary

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


def traced(diary: Diary, user: str) -> Diary:
    """A lapse of this user is noticed, and its record has a trace context."""
    return diary.takes(diary.reminder(ReminderKind.DUE, user), traceparent=TRACEPARENT)


def test_every_status_of_a_traced_reminder_carries_its_context(deliver: Diary) -> None:
    deliver.onemsg.answers = [NotTransmitted(reason="connect")]
    traced(deliver.knows("maria"), "maria").works().says("maria rejected connect", "maria deferred retry_later")
    deliver.knows("paul", name="Paul", phone="+34 677 777 777").due("paul").works().says("paul accepted")
    deliver.crashes_and_restarts().after(HOUR).detect_is_at().works().says("maria accepted")
    deliver.reports("wamid.3", "delivered", "read").works().says("maria delivered", "maria read")
    by_user = {(s.user_id, trace) for s, trace in zip(deliver.topic, deliver.topics.traceparents, strict=True)}
    assert by_user == {("maria", TRACEPARENT), ("paul", None)}


def test_log_names_the_trace(deliver: Diary) -> None:
    with capture_logs() as logged:
        traced(deliver.knows("maria"), "maria").knows("paul", name="Paul", phone="+34 677 777 777").due("paul").works()
        deliver.reports("wamid.1", "sent", "sent").works()
    lines = [line for line in logged if "reminder_id" in line]
    assert {line["event"] for line in lines} == {"reminder_changed", "nothing_changed"}
    for line in lines:
        assert line.get("trace_id") == (TRACE_ID if line["reminder_id"].startswith("maria") else None)


def test_context_goes_with_a_fallback_and_is_erased_with_the_person(fallback: FallbackDiary) -> None:
    fallback.onemsg.answers = [Rejected(reason="unreachable", remedy=Remedy.RECIPIENT, error_code=131026)]
    fallback.mail.answers = [Rejected(reason="unreachable", remedy=Remedy.RECIPIENT, error_code=550)]
    fallback.knows("maria", email="maria@example.org")
    traced(fallback, "maria").works()
    assert [(s.medium, s.status) for s in fallback.topic][-1] == ("webhook", "accepted")
    assert set(fallback.topics.traceparents) == {TRACEPARENT}
    [call] = fallback.hook.sent
    assert call.traceparent == TRACEPARENT

    fallback.forgets("maria")
    with fallback.ledger.reading() as connection:
        for table in (reminders, outbox):
            assert set(connection.scalars(select(table.c.traceparent))) == {None}
