"""Webhook bodies are stored before the answer, whatever is in them and however many come at once."""

import asyncio
import json

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import DBAPIError

from consumer.deliver.policy.retries import RetryPolicy
from consumer.deliver.tracking.webhook_inbox import WebhookInbox, _Contents
from consumer.ledger.queries.inbox import Body
from consumer.ledger.schema.tables import inbound_messages, webhook_bodies
from consumer.testing import RULES

from ..timelines.deliver_diary import Diary

RETRY_POLICY = RetryPolicy(rules=RULES, max_attempts=3)


def _status(status: str) -> bytes:
    return json.dumps({"ack": [{"id": "wamid.1", "status": status}]}).encode()


def stored(diary: Diary) -> int:
    with diary.ledger.reading() as connection:
        return len(connection.execute(select(webhook_bodies)).all())


def test_body_is_durable_when_submit_returns(diary: Diary) -> None:
    seen: list[int] = []

    class Slow(WebhookInbox):
        async def _apply_all(self) -> None:
            seen.append(stored(diary))
            await super()._apply_all()

    async def story() -> None:
        inbox = Slow(diary.ledger, retry_policy=RETRY_POLICY, metrics=diary.metrics, now=diary.clock.now)
        await inbox.submit(b"{}")
        assert stored(diary) == 1
        await inbox.idle()

    asyncio.run(story())
    assert seen == [1]
    assert stored(diary) == 0


def test_a_body_in_the_place_of_one_that_was_applied_is_not_lost(diary: Diary) -> None:
    """Two apply at once: whoever stored a body, and whoever looks from time to time. While the second has read a body
    the first applies it, and SQLite gives its id to the next one."""
    diary.knows("maria").due("maria").works().says("maria accepted")
    delivered, read = (_status(status) for status in ("delivered", "read"))
    arguments = {"retry_policy": RETRY_POLICY, "metrics": diary.metrics, "now": diary.clock.now}
    other = WebhookInbox(diary.ledger, **arguments)  # type: ignore[arg-type]

    class Overtaken(WebhookInbox):
        def _read(self, body: Body) -> _Contents:
            contents = super()._read(body)
            if body.body == delivered:
                asyncio.run(other.step())
                self._store([read])
            return contents

    inbox = Overtaken(diary.ledger, **arguments)  # type: ignore[arg-type]
    inbox._store([delivered])
    asyncio.run(inbox.step())
    asyncio.run(inbox.step())
    assert stored(diary) == 0
    diary.publishes().says("maria delivered", "maria read")


def test_submit_raises_when_storing_fails(diary: Diary) -> None:
    with diary.ledger.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE webhook_bodies")
    with pytest.raises(DBAPIError):
        diary.posts(b"{}")


def test_a_thousand_bodies_share_a_few_transactions(diary: Diary) -> None:
    commits = []
    event.listen(diary.ledger._engine, "commit", lambda connection: commits.append(1))
    bodies = [json.dumps({"ack": [{"id": f"wamid.{n}", "status": "sent"}]}).encode() for n in range(1_000)]
    diary.posts(*bodies)
    assert len(commits) < 30
    asyncio.run(diary.parts.poller.step())
    assert diary.metrics.parked_reports._value.get() == 1_000


@pytest.mark.slow
def test_body_that_fails_to_apply_is_applied_with_the_next(diary: Diary) -> None:
    diary.knows("maria").due("maria").works().says("maria accepted")
    with diary.ledger.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE inbound_messages RENAME TO away")
    inbound = {
        "id": "wamid.in",
        "type": "chat",
        "body": "please stop writing me about this",
        "fromMe": False,
        "author": "34612345678@c.us",
    }
    diary.posts(json.dumps({"messages": [inbound], "ack": [{"id": "wamid.1", "status": "sent"}]}).encode())
    assert stored(diary) == 1
    diary.publishes().says_nothing()
    with diary.ledger.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO inbound_messages")
    diary.reports("wamid.1", "read").publishes().says("maria sent", "maria read")
    assert stored(diary) == 0


def test_only_a_message_that_somebody_has_to_read_is_kept_once_and_without_the_number(diary: Diary) -> None:
    unclear = "please stop writing me about this"
    for number, text in enumerate(("hello, where is my order?", "STOP", "START", unclear)):
        inbound = {"id": f"wamid.{number}", "type": "chat", "body": text, "fromMe": False, "author": "34612345678@c.us"}
        body = json.dumps({"messages": [inbound]}).encode()
        diary.posts(body, body)
    with diary.ledger.reading() as connection:
        (kept,) = connection.execute(select(inbound_messages)).all()
    assert (kept.body, kept.sender, kept.kind) == (unclear, None, "chat")


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"{", b"null", b"[1]", b'"text"', b'{"ack": 7}', b'{"type": "calls"}']
)
def test_malformed_body_does_not_stop_the_next(diary: Diary, body: bytes) -> None:
    diary.knows("maria").due("maria").works().says("maria accepted")
    diary.posts(body).reports("wamid.1", "sent").publishes().says("maria sent")
