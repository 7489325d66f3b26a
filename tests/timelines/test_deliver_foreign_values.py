"""The ledger holds a value that no code expects: a newer version wrote it, or an earlier one that was less strict.

That row gets a reason of its own or waits, and everybody else is written to, followed and told about.
"""

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import structlog
from sqlalchemy import text

from consumer.activity.record_codec import RecordCodec
from consumer.activity.schemas.writer_schemas import WriterSchemas
from consumer.clock import DAY, HOUR, MINUTE
from consumer.config.sections.kafka import TopicSettings
from consumer.deliver.leader_lease import LeaderLease
from consumer.deliver.operations import ledger_restore
from consumer.deliver.operations.retention import Retention
from consumer.deliver.outbox import OPT_OUTS, STATUSES, OutboxPublisher
from consumer.deliver.recipients.identity import Mention, phone_hash
from consumer.deliver.recipients.opt_outs import opt_out_phone
from consumer.deliver.tracking import webhook_inbox
from consumer.deliver.unit_of_work import UnitOfWork
from consumer.insight.explanation import clock_of
from consumer.kafka.clients.output import Output
from consumer.kafka.dead_letters.isolation import BatchRefused
from consumer.ledger import queries
from consumer.ledger.queries.whatsapp_ids import UnattributedRequest
from consumer.onemsg.outcomes import Rejected, Remedy, Unknown
from consumer.wiring.deliver.ledger import wait_for_ledger
from consumer.wiring.deliver.outbox import KafkaRecordWriter

from ..web.site import site
from .deliver_diary import Diary

FAR = 2**63 - 1
PAGES = ("/", "/needs", "/insight", "/journal", "/person?id=foreign", "/api/now", "/api/person?id=foreign")
Begin = Callable[..., Diary]


def foreign(diary: Diary, table: str, column: str, value: object, where: str = "user_id = 'foreign'") -> Diary:
    """Somebody else's program writes this value."""
    with diary.ledger.transaction() as connection:
        written = connection.execute(text(f"UPDATE {table} SET {column} = :value WHERE {where}"), {"value": value})
        assert written.rowcount
    return diary


def with_foreign(diary: Diary) -> Diary:
    """Foreign is due, and due before Ana."""
    diary.detect_is_at().knows("foreign", phone="+34 612 000 001").due("foreign").after(MINUTE)
    return diary.knows("ana", "Ana", "+34 612 000 002").due("ana")


def shows_every_page(diary: Diary) -> None:
    async def get() -> None:
        transport = httpx.ASGITransport(app=site(diary.ledger, diary.clock))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for path in PAGES:
                assert (await client.get(path)).status_code == 200, path

    asyncio.run(get())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("last_seen", FAR),
        ("lapsed_at", FAR),
        ("lapsed_at", -(2**63)),
        ("attempts", 2**31 - 1),
        ("phone", "not a number"),
    ],
)
def test_unsent_reminder_with_a_foreign_value_is_suppressed(deliver: Diary, column: str, value: object) -> None:
    with structlog.testing.capture_logs() as logs:
        foreign(with_foreign(deliver), "reminders", column, value).works()
    deliver.says("foreign suppressed unusable_row", "ana accepted").went_out("Ana")
    assert [(log["why"], log["medium"]) for log in logs if log["event"] == "row_set_aside"] == [(column, "whatsapp")]
    assert deliver.metrics.rows_set_aside._value.get() == 1
    shows_every_page(deliver)


@pytest.mark.parametrize(("column", "value"), [("status", "snoozed"), ("sequence", 2**31 - 1)])
def test_reminder_that_cannot_be_suppressed_is_looked_at_again_in_an_hour(
    deliver: Diary, column: str, value: object
) -> None:
    """A newer version may be back by then."""
    foreign(with_foreign(deliver), "reminders", column, value).works().says("ana accepted").went_out("Ana")
    shows_every_page(deliver)
    deliver.after(HOUR - 1).works().says_nothing()
    before = "planned" if column == "status" else 0
    foreign(deliver, "reminders", column, before).after(1).detect_is_at().works().says("foreign accepted")


def test_attempt_that_is_there_already_stops_nobody(deliver: Diary) -> None:
    """The database refuses the row's next attempt, and only that row's."""
    with_foreign(deliver).due("foreign", "checkout").works()
    foreign(deliver, "reminders", "attempts", 0).unchecked()
    foreign(deliver, "reminders", "status", "planned")
    foreign(deliver, "reminders", "due_at", deliver.clock.now())
    foreign(deliver, "attempts", "started_at", 0)
    deliver.knows("bea", "Bea", "+34 612 000 003").due("bea").works()
    assert ("bea", "accepted") in {(status.user_id, status.status) for status in deliver.topic}
    assert {(s.status, s.reason) for s in deliver.unchecked() if s.user_id == "foreign"} == {
        ("suppressed", "unusable_row")
    }


@pytest.mark.parametrize(
    ("column", "value"), [("status", "snoozed"), ("attempted_at", FAR), ("phone", "x"), ("quiet_since", -(2**63))]
)
def test_what_is_under_way_is_followed_for_everybody_else(deliver: Diary, column: str, value: object) -> None:
    deliver.onemsg.answers = [Unknown(reason="timeout"), Unknown(reason="timeout")]
    with_foreign(deliver).works()
    foreign(deliver, "reminders", column, value).after(3 * MINUTE).works()
    assert len(deliver.onemsg.list_requests) == 1
    deliver.after(25 * HOUR).works()
    assert ("ana", "unresolved") in {(s.user_id, s.status) for s in deliver.unchecked()}


@pytest.mark.parametrize(("column", "value"), [("progress", "pondered"), ("source", "telepathy")])
def test_parked_report_of_another_version_is_left_out(deliver: Diary, column: str, value: str) -> None:
    deliver.reports("wamid.1", "delivered").reports("wamid.2", "delivered")
    foreign(deliver, "parked_reports", column, value, "message_id = 'wamid.1'")
    with_foreign(deliver).works().says("foreign accepted", "ana accepted", "ana delivered")


@pytest.mark.parametrize(("column", "value"), [("people", "{no json"), ("errors", "7"), ("people", "")])
def test_streak_of_failures_that_cannot_be_read_begins_anew(deliver: Diary, column: str, value: str) -> None:
    odd = Rejected(reason="unknown_error", remedy=Remedy.MESSAGE, error_code=99, error="odd")
    deliver.onemsg.answers = [odd, odd]
    with_foreign(deliver).works()
    foreign(deliver, "failure_streaks", column, value, "1 = 1")
    deliver.onemsg.answers = [odd]
    deliver.knows("carl", "Carl", "+34 612 000 004").due("carl").works()
    assert [(s.user_id, s.reason) for s in deliver.unchecked()][-1] == ("carl", "unknown_error")


def test_request_of_another_version_may_have_been_a_stop(deliver: Diary) -> None:
    with deliver.ledger.transaction() as connection:
        by = Mention(whatsapp_id="ES.103").id_hash(deliver.ledger.hash_key)
        assert by is not None
        kept = UnattributedRequest(by, "snooze", "asked_to_stop", deliver.clock.now())
        queries.whatsapp_ids.keep_request(connection, kept)
    deliver.reports("other", "read", phone="34612000001", bsuid="ES.103")
    with_foreign(deliver).works().says("foreign deferred recipient_hold", "ana accepted")


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("outbox", "status", "snoozed"),
        ("outbox", "source", "telepathy"),
        ("opt_out_outbox", "subject", "fax:12345"),
        ("opt_out_outbox", "source", "telepathy"),
    ],
)
def test_record_that_fits_no_schema_is_set_aside(deliver: Diary, table: str, column: str, value: str) -> None:
    with_foreign(deliver).works_in_silence()
    deliver.hears("STOP", "34612000002")
    foreign(deliver, table, column, value, "user_id = 'foreign'" if table == "outbox" else "subject = 'user:ana'")
    written: list[Output] = []
    codec = RecordCodec(WriterSchemas(deliver.clock))
    publisher: Any = SimpleNamespace(publish=written.extend, begin=lambda: None, close=lambda: None)
    writer = KafkaRecordWriter(publisher, codec, TopicSettings(), deliver.clock.now)
    lease = LeaderLease(deliver.ledger, "outbox", holder="one", clock=deliver.clock)
    OutboxPublisher(deliver.ledger, [OPT_OUTS, STATUSES], writer, lease, deliver.metrics).step()
    told = [output.key for output in written]
    assert (told.count(b"foreign"), told.count(b"ana")) == ((0, 2) if table == "outbox" else (1, 1))
    topic = "delivery_status" if table == "outbox" else "opt_outs"
    with deliver.ledger.reading() as connection:
        reasons = connection.scalars(text(f"SELECT refused_because FROM {table} WHERE published IS NOT TRUE")).all()
    assert (topic, list(reasons)) == (topic, ["unusable_row"])


def test_restored_ledger_makes_everything_else_unknown(deliver: Diary) -> None:
    """A row that cannot be read is never sent, and hides none of those that may have been."""
    foreign(with_foreign(deliver), "reminders", "status", "snoozed")
    ledger_restore.mark_unsent_unknown(deliver.ledger, {}, metrics=deliver.metrics, now=deliver.clock.now)
    deliver.works().says("ana unknown ledger_restored").went_out()


def test_body_that_cannot_be_applied_is_kept_and_the_others_are_applied(
    deliver: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one of them meets in the ledger stops neither a STOP before it nor one behind it."""

    def stopped(work: UnitOfWork, hashed: str, *more: Any) -> None:
        if hashed == phone_hash("34612000001", work.hash_key):
            raise KeyError("a value that no code expects")
        opt_out_phone(work, hashed, *more)

    monkeypatch.setattr(webhook_inbox, "opt_out_phone", stopped)
    bodies = []
    for number in (2, 1, 3):
        stop = {"id": f"in.{number}", "type": "chat", "body": "STOP", "fromMe": False}
        bodies.append(json.dumps({"messages": [{**stop, "author": f"3461200000{number}@c.us"}]}).encode())
    with_foreign(deliver).knows("bea", "Bea", "+34 612 000 003").due("bea").posts(*bodies)
    assert deliver.kept_bodies() == [bodies[1]]
    deliver.works().says("ana suppressed opted_out", "bea suppressed opted_out", "foreign accepted")


@pytest.mark.parametrize("column", ["completed_at", "decided_at"])
def test_old_rows_go_whatever_is_in_them(deliver: Diary, column: str) -> None:
    foreign(with_foreign(deliver).works().after(2 * DAY).works(), "episodes", column, FAR)
    shows_every_page(deliver)
    foreign(deliver, "reminders", "returned_at", FAR).after(100 * DAY)
    retention = Retention(deliver.ledger, keep_ms=90 * DAY, now=deliver.clock.now)
    while retention.step():
        pass
    assert deliver.rows() == []


def test_record_beside_a_foreign_value_is_a_dead_letter_and_the_others_are_taken(deliver: Diary) -> None:
    errors: Any = SimpleNamespace(labels=lambda *names: SimpleNamespace(inc=lambda: None))

    def handle(batch: list[str]) -> None:
        if "foreign" in batch:
            raise KeyError("a value that no code expects")

    handled = wait_for_ledger(handle, errors, "contacts")
    handled(["ana"])
    with pytest.raises(BatchRefused, match="KeyError"):
        handled(["foreign"])


def test_moment_that_no_calendar_has_is_shown_as_its_number() -> None:
    assert clock_of(ZoneInfo("Europe/Madrid"))(FAR) == f"{FAR} ms since 1970"


def test_pause_and_journal_with_a_foreign_time_are_shown(deliver: Diary) -> None:
    with deliver.ledger.transaction() as connection:
        queries.pauses.pause(connection, "checkout", FAR)
        by = queries.operating.journal.Actor("ana", "api")
        queries.operating.journal.add(connection, FAR, by, "pause", subject="checkout")
    shows_every_page(with_foreign(deliver).works())
