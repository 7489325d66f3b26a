"""Everybody else hears of everything, in order, at least once."""

import threading
import uuid
from collections.abc import Sequence

import pytest

from consumer.deliver.outbox.status_outbox import StatusOutbox, event_id
from consumer.records import DeliveryStatus

from ..timelines.deliver_diary import Diary


def test_what_could_not_be_published_is_published_next_time_in_the_same_order(diary: Diary) -> None:
    for n in range(5):
        diary.knows(f"user {n}").due(f"user {n}")
    diary.works_in_silence()

    def refuses(records: Sequence[DeliveryStatus]) -> None:
        raise ConnectionError("no broker")

    with pytest.raises(ConnectionError):
        diary.outbox.step(refuses)
    assert diary.metrics.outbox_backlog._value.get() == 5
    diary.publishes().says(*(f"user {n} accepted" for n in range(5)))
    assert diary.metrics.outbox_backlog._value.get() == 0


def test_a_long_backlog_goes_out_in_batches_and_in_order(diary: Diary) -> None:
    for n in range(7):
        diary.knows(f"user {n}").due(f"user {n}")
    diary.works_in_silence()
    outbox = StatusOutbox(diary.ledger, metrics=diary.metrics, batch=3)
    assert [outbox.step(diary.topic.extend) for _ in range(4)] == [3, 3, 1, 0]
    assert [status.user_id for status in diary.topic] == [f"user {n}" for n in range(7)]


def test_two_who_publish_at_once_take_turns(diary: Diary) -> None:
    for n in range(20):
        diary.knows(f"user {n}").due(f"user {n}")
    diary.works_in_silence()
    outbox = StatusOutbox(diary.ledger, metrics=diary.metrics, batch=2)

    def publish_all() -> None:
        while outbox.step(diary.topic.extend):
            pass

    threads = [threading.Thread(target=publish_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status.user_id for status in diary.topic] == [f"user {n}" for n in range(20)]


def test_an_event_id_is_a_uuid_of_its_own_for_every_transition_and_always_the_same() -> None:
    ids = {event_id(r, m, s) for r in ("one", "two") for m in ("whatsapp", "email") for s in (1, 2)}
    assert len(ids) == 8
    assert {uuid.UUID(each).version for each in ids} == {5}
    assert event_id("one", "whatsapp", 1) == "52e1f4fc-d4f4-582e-a89e-9f7b789e52d6"
