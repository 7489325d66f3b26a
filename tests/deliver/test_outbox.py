"""The outbox publisher: every record, in order, at least once, and only with the lease."""

import threading
import uuid

import pytest
import structlog
from sqlalchemy import select

from consumer.clock import SECOND
from consumer.deliver.leader_lease import LeaderLease
from consumer.deliver.outbox import OPT_OUTS, RecordsRefused, event_id
from consumer.ledger import queries
from consumer.ledger.schema.tables import outbox
from consumer.records import OptOut

from ..timelines.deliver_diary import Diary


def test_failed_batch_is_published_again_in_the_same_order(diary: Diary) -> None:
    for n in range(5):
        diary.knows(f"user {n}").due(f"user {n}")
    diary.works_in_silence()

    diary.topics.failure_before = ConnectionError("no broker")
    with pytest.raises(ConnectionError):
        diary.publishes()
    assert diary.metrics.outbox_backlog._value.get() == 5
    diary.publishes().says(*(f"user {n} accepted" for n in range(5)))
    assert diary.metrics.outbox_backlog._value.get() == 0


def refuse(diary: Diary, *users: str) -> None:
    for n in range(9):
        diary.knows(f"user {n}").due(f"user {n}")
    diary.works_in_silence()
    diary.topics.refused_users = users


def test_records_that_the_broker_refuses_are_set_aside_and_the_others_go_on(diary: Diary) -> None:
    refuse(diary, "user 0", "user 1", "user 6")
    with structlog.testing.capture_logs() as logs:
        assert diary.publish() == 9
    assert [status.user_id for status in diary.topic] == [f"user {n}" for n in (2, 3, 4, 5, 7, 8)]
    said = [(log["topic"], log["reason"]) for log in logs if log["event"] == "record_set_aside"]
    assert said == [("delivery_status", "MSG_SIZE_TOO_LARGE")] * 3
    assert diary.metrics.outbox_backlog._value.get() == 0
    assert diary.metrics.outbox_refused.labels("delivery_status")._value.get() == 3
    assert diary.publisher.detail == "set aside because the broker refuses them: 3 records"
    with diary.ledger.reading() as connection:
        kept = connection.execute(select(outbox.c.user_id, outbox.c.refused_because).where(~outbox.c.published)).all()
    assert [tuple(row) for row in kept] == [(f"user {n}", "MSG_SIZE_TOO_LARGE") for n in (0, 1, 6)]


def test_next_process_offers_again_what_was_set_aside(diary: Diary) -> None:
    refuse(diary, "user 0", "user 6")
    diary.publish()
    diary.topics.refused_users = ()
    assert diary.publish() == 0
    diary.publisher.close()
    diary.publisher = diary.new_publisher()
    assert diary.publish() == 2
    assert [status.user_id for status in diary.topic][-2:] == ["user 0", "user 6"]
    assert diary.metrics.outbox_refused.labels("delivery_status")._value.get() == 0


def test_end_of_an_opt_out_is_not_offered_again(diary: Diary) -> None:
    """A newer opt-out of the same person may be published, which it would undo."""
    with diary.ledger.transaction() as connection:
        for reason in ("asked_to_stop", None):
            queries.outbox.insert_opt_outs(connection, ["user:ana"], "whatsapp", reason, "webhook", diary.clock.now())
        for number, _ in OPT_OUTS.unpublished(connection, 10):
            queries.outbox.set_aside(connection, OPT_OUTS.table, number, "MSG_SIZE_TOO_LARGE")
        assert queries.outbox.forget_refused(connection, OPT_OUTS.table) == 1
        [(_, kept)] = OPT_OUTS.unpublished(connection, 10)
    assert isinstance(kept, OptOut)


def test_where_the_broker_refuses_everything_nothing_is_set_aside(diary: Diary) -> None:
    refuse(diary, *(f"user {n}" for n in range(9)))
    with pytest.raises(RecordsRefused):
        diary.publish()
    assert diary.publish() == 0  # for a moment the lease is left to another replica
    assert diary.metrics.outbox_backlog._value.get() == 9
    diary.after(SECOND)
    diary.topics.refused_users = ()
    assert diary.publish() == 9
    assert [status.user_id for status in diary.topic] == [f"user {n}" for n in range(9)]


def test_one_topic_that_is_refused_does_not_silence_the_other(diary: Diary) -> None:
    refuse(diary)
    with diary.ledger.transaction() as connection:
        queries.outbox.insert_opt_outs(
            connection, ["user:stopped"], "whatsapp", "asked_to_stop", "webhook", diary.clock.now()
        )
    diary.topics.refused_users = ["stopped"]
    with pytest.raises(RecordsRefused):
        diary.publish()
    assert [status.user_id for status in diary.topic] == [f"user {n}" for n in range(9)]
    assert diary.topics.opt_outs == []
    diary.after(SECOND)
    diary.topics.refused_users = ()
    assert diary.publish() == 1


def test_backlog_is_published_in_batches_and_in_order(diary: Diary) -> None:
    for n in range(7):
        diary.knows(f"user {n}").due(f"user {n}")
    diary.works_in_silence()
    publisher = diary.new_publisher(batch=3)
    assert [publisher.step() for _ in range(4)] == [3, 3, 1, 0]
    assert [status.user_id for status in diary.topic] == [f"user {n}" for n in range(7)]


def test_threads_publish_one_at_a_time(diary: Diary) -> None:
    for n in range(20):
        diary.knows(f"user {n}").due(f"user {n}")
    diary.works_in_silence()
    publisher = diary.new_publisher(batch=2)

    def publish_all() -> None:
        while publisher.step():
            pass

    threads = [threading.Thread(target=publish_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status.user_id for status in diary.topic] == [f"user {n}" for n in range(20)]


def test_publisher_without_the_lease_publishes_nothing(diary: Diary) -> None:
    diary.knows("ana").due("ana").works_in_silence()
    other = LeaderLease(diary.ledger, "outbox", holder="other", clock=diary.clock)
    assert other.is_held()
    assert diary.publish() == 0
    other.release()
    diary.after(SECOND)
    assert diary.publish() == 1


def test_publisher_that_fails_leaves_the_lease_to_another_replica(diary: Diary) -> None:
    diary.knows("ana").due("ana").works_in_silence()
    diary.topics.failure_before = ConnectionError("no broker")
    with pytest.raises(ConnectionError):
        diary.publish()
    assert LeaderLease(diary.ledger, "outbox", holder="other", clock=diary.clock).is_held()
    diary.after(SECOND)
    assert diary.publish() == 0


def test_event_id_is_a_stable_uuid_per_transition() -> None:
    ids = {event_id(r, m, s) for r in ("one", "two") for m in ("whatsapp", "email") for s in (1, 2)}
    assert len(ids) == 8
    assert {uuid.UUID(each).version for each in ids} == {5}
    assert event_id("one", "whatsapp", 1) == "52e1f4fc-d4f4-582e-a89e-9f7b789e52d6"
