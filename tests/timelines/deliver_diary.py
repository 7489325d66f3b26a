"""A diary of deliver: what detect asked for, what was known, what went out, and what `delivery-status` said of it.

The ledger is a real database, 1MSG is in memory, and a clock tells the story: `at` moves it, and everything that
follows happens at that moment ("Mon 09:00" as in `detect_diary`).
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from consumer.clock import HOUR, SECOND, ManualClock, Millis
from consumer.ledger.schema.rows import REMINDER, ReminderRow
from consumer.ledger.schema.tables import webhook_bodies
from consumer.onemsg.templates.listing import Template, TemplateListing
from consumer.records import Contact, DeliveryStatus, Received, Reminder, ReminderKind
from consumer.testing import PLAN, FakeOneMsg, Replica
from consumer.wiring.deliver.parts import OneMsg

from ..ledger.databases import unused_sqlite
from .detect_diary import moment

PLANS = {
    "account-setup": PLAN,
    "checkout": replace(PLAN, template="order_waiting", action="your order", shortest_rung=2 * HOUR),
}
TEMPLATE = Template(
    name="inactivity_reminder",
    language="en",
    namespace="aaaa_bbbb",
    status="APPROVED",
    category="UTILITY",
    variables=("1", "2"),
    body="Hello, {{1}}! We noticed you have not yet completed {{2}}.",
)
ORDER_TEMPLATE = replace(TEMPLATE, name="order_waiting")
TEXT = "Hello, Maria! We noticed you have not yet completed account setup."
"""What the first template says to Maria."""
ORDER_TEXT = "Hello, Maria! We noticed you have not yet completed your order."
RUNGS = {"account-setup": (24 * HOUR, 72 * HOUR), "checkout": (2 * HOUR,)}


class Diary(Replica):
    """One replica of deliver."""

    clock: ManualClock

    def __init__(self, folder: Path, *, url: str | None = None, clock: ManualClock | None = None, **more: Any) -> None:
        clock = clock or ManualClock(moment("Mon 09:00"))
        self.onemsg = FakeOneMsg(clock)
        self._offsets = {"reminders": 0, "contacts": 0}
        self._checked = 0
        """How many of the published statuses `says` has compared."""
        url = url or unused_sqlite(folder)
        super().__init__(url, client=self.onemsg, clock=clock, **{"plans": PLANS, **more})

    def at(self, when: str) -> "Diary":
        """Let time pass until then."""
        self.clock.advance(moment(when) - self.clock.now())
        return self

    def after(self, span: Millis) -> "Diary":
        self.clock.advance(span)
        return self

    # What detect writes

    def due(
        self, user: str, process: str = "account-setup", step: int = 0, *, lapsed: str = "", partition: int = 0
    ) -> "Diary":
        """A lapse is noticed now; it happened now, unless `lapsed` says when."""
        return self.takes(self.reminder(ReminderKind.DUE, user, process, step, lapsed), partition)

    def returned(self, user: str, process: str = "account-setup", step: int = 0, *, lapsed: str = "") -> "Diary":
        return self.takes(self.reminder(ReminderKind.RETURNED, user, process, step, lapsed))

    def completed(self, user: str, process: str = "account-setup", step: int = 0, *, lapsed: str = "") -> "Diary":
        return self.takes(self.reminder(ReminderKind.COMPLETED, user, process, step, lapsed))

    def detect_is_at(self, when: str = "", partition: int = 0, **told: Any) -> "Diary":
        """The partition's watermark is now, unless `when` says another moment. `told` are further fields."""
        watermark = moment(when) if when else self.clock.now()
        record = Reminder(kind=ReminderKind.WATERMARK, occurred_at=watermark, detected_at=self.clock.now(), **told)
        return self.takes(record, partition)

    def takes(self, reminder: Reminder, partition: int = 0, traceparent: str | None = None) -> "Diary":
        """Exactly this record is read from `reminders`, with this header."""
        received = self.received("reminders", reminder, partition)
        self.parts.intake.take_reminders([replace(received, traceparent=traceparent)])
        return self

    def reminder(
        self, kind: str, user: str, process: str = "account-setup", step: int = 0, lapsed: str = ""
    ) -> Reminder:
        """Return the record that detect would write now."""
        now = self.clock.now()
        lapsed_at = moment(lapsed) if lapsed else now
        last_seen = lapsed_at - RUNGS[process][step]
        return Reminder(
            reminder_id=f"{user}/{process}/{last_seen}/{step}",
            kind=ReminderKind(kind),
            user_id=user,
            process=process,
            step=step,
            last_seen=last_seen,
            lapsed_at=lapsed_at,
            occurred_at=lapsed_at if kind == ReminderKind.DUE else now,
            detected_at=now,
        )

    def received(self, topic: str, value: Any, partition: int = 0, key: bytes | None = None) -> Received[Any]:
        """Return the next record of a topic."""
        offset = self._offsets[topic]
        self._offsets[topic] += 1
        return Received(topic=topic, partition=partition, offset=offset, key=key, value=value)

    def rereads(self, topic: str) -> "Diary":
        """The topic is read again from its beginning."""
        self._offsets[topic] = 0
        return self

    # What the CRM writes

    def knows(
        self, user: str, name: str | None = "Maria", phone: str | None = "+34 612 345 678", **more: Any
    ) -> "Diary":
        fields = {"opt_in": True, "updated_at": self.clock.now(), **more}
        contact = Contact(user_id=user, name=name, phone=phone, **fields)
        self.parts.intake.take_contacts([self.received("contacts", contact)])
        return self

    def forgets(self, user: str) -> "Diary":
        self.parts.intake.take_contacts([self.received("contacts", None, key=user.encode())])
        return self

    # What 1MSG posts and lists

    def reports(self, message_id: str, *statuses: str, **more: Any) -> "Diary":
        """One webhook body in the form seen in production (docs/1msg.md#normalised-statuses)."""
        acks = [{"id": message_id, "status": status, **more} for status in statuses]
        return self.posts(json.dumps({"instanceId": "CH1", "ack": acks}).encode())

    def hears(self, text: str, phone: str = "34612345678", *, message: str = "wamid.in.1") -> "Diary":
        """A client writes to us now."""
        inbound = {"id": message, "type": "chat", "body": text, "fromMe": False, "author": f"{phone}@c.us"}
        return self.posts(json.dumps({"messages": [{**inbound, "time": self.clock.now() // SECOND}]}).encode())

    def echoes(
        self, message_id: str, phone: str = "34612345678", at: Millis | None = None, text: str | None = TEXT
    ) -> "Diary":
        """The channel shows us a message of the business (docs/1msg.md#normalised-messages)."""
        echo = {"id": message_id, "fromMe": True, "type": "chat", "chatId": f"{phone}@c.us", "senderName": "Us"}
        sent_at = (self.clock.now() if at is None else at) // SECOND
        message = {**echo, "time": sent_at, "body": text}
        return self.posts(json.dumps({"instanceId": "CH1", "messages": [message]}).encode())

    def lists(self, *templates: Template, whole: bool = True) -> "Diary":
        """1MSG is asked for its templates, and shows these."""
        self.onemsg.templates_shown = TemplateListing(templates, whole)
        asyncio.run(self.parts.template_watcher.check())
        return self

    def posts(self, *bodies: bytes) -> "Diary":
        async def submit() -> None:
            await asyncio.gather(*(self.parts.inbox.submit(body) for body in bodies))
            await self.parts.inbox.idle()

        asyncio.run(submit())
        return self

    # What Lapse does

    def works(self) -> "Diary":
        """Do and publish everything that can be done now."""
        return self.works_in_silence().publishes()

    def works_in_silence(self) -> "Diary":
        asyncio.run(self._work())
        return self

    async def _work(self) -> None:
        is_anything_done = True
        while is_anything_done:
            while await self.parts.sender.step():
                pass
            is_anything_done = bool(await self.parts.poller.step())

    def publishes(self) -> "Diary":
        """Publish everything, then let the lease go, since other replicas of a story publish too."""
        self.publisher = self.new_publisher()
        self.publish()
        self.publisher.close()
        return self

    def runs(self, step: Callable[[], Coroutine[Any, Any, object]]) -> "Diary":
        """Run one step of one part."""
        asyncio.run(step())
        return self

    def crashes_and_restarts(self) -> "Diary":
        """Everything in memory is lost."""
        self.restart()
        return self

    def talks_to(self, client: OneMsg) -> "Diary":
        """Start again, with another client in place of the one in memory."""
        self.client = client
        return self.crashes_and_restarts()

    # What is seen

    @property
    def topic(self) -> list[DeliveryStatus]:
        """Everything published to `delivery-status`."""
        return self.topics.statuses

    def unchecked(self) -> Sequence[DeliveryStatus]:
        """Return what was published since the last call, or since the last `says`."""
        records = self.topic[self._checked :]
        self._checked = len(self.topic)
        return records

    def says(self, *expected: str) -> "Diary":
        """Exactly this was published since the last time, as "maria deferred no_contact"."""
        published = [" ".join(filter(None, (s.user_id, s.status, s.reason))) for s in self.unchecked()]
        assert published == list(expected), published
        return self

    def says_nothing(self) -> "Diary":
        return self.says()

    def went_out(self, *names: str) -> "Diary":
        """Exactly these were written to since the start, in order, by the name in the message."""
        assert [message.params[0] for message in self.onemsg.sent] == list(names)
        return self

    def rows(self) -> list[ReminderRow]:
        """Return every reminder in the ledger."""
        with self.ledger.reading() as connection:
            return [ReminderRow(*row) for row in connection.execute(select(*REMINDER))]

    def kept_bodies(self) -> list[bytes]:
        with self.ledger.reading() as connection:
            return list(connection.scalars(select(webhook_bodies.c.body).order_by(webhook_bodies.c.id)))
