"""The queries that everything hangs on. Their plans are in `test_query_plans`."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from consumer.ledger import queries
from consumer.ledger.queries.opt_outs import StoredOptOut
from consumer.ledger.schema.rows import ChannelRow, ReminderRow
from consumer.ledger.store import Ledger

ATTEMPT = {
    "reminder_id": "nobody", "medium": "whatsapp", "number": 1, "user_id": "u", "process": "p", "step": 0,
    "started_at": 1, "outcome": "sending", "may_have_been_sent": True,
}  # fmt: skip


def row(name: str, **more: object) -> ReminderRow:
    plain = ReminderRow(
        reminder_id=name,
        medium="whatsapp",
        user_id=name,
        process="checkout",
        step=0,
        action=None,
        last_seen=1,
        lapsed_at=5,
        occurred_at=5,
        partition=0,
        status="planned",
        created_at=5,
        updated_at=5,
    )
    return plain._replace(**more)  # type: ignore[arg-type]


def put(ledger: Ledger, *rows: ReminderRow) -> None:
    with ledger.transaction() as connection:
        queries.reminders.insert_rows(connection, rows)


def test_due_reminders_come_in_the_order_of_their_moments(ledger: Ledger) -> None:
    put(ledger, row("late", due_at=30), row("early", due_at=10), row("later", due_at=31), row("never"))
    with ledger.transaction() as connection:
        assert [r.reminder_id for r in queries.reminders.lock_due(connection, "whatsapp", 30, 10)] == ["early", "late"]
        assert [r.reminder_id for r in queries.reminders.lock_due(connection, "whatsapp", 99, 1)] == ["early"]
        assert queries.reminders.lock_due(connection, "email", 99, 10) == []
        assert queries.reminders.any_due(connection, "whatsapp", 10)
        assert not queries.reminders.any_due(connection, "whatsapp", 9)


def test_a_reminder_is_read_as_it_was_written(ledger: Ledger) -> None:
    one = row("one", due_at=10)
    put(ledger, one)
    changed = one._replace(status="sending", due_at=None, lease_until=40, attempts=1, phone="34612345678", reason="x")
    with ledger.transaction() as connection:
        queries.reminders.update_rows(connection, [(one, changed)])
    with ledger.transaction() as connection:
        assert queries.reminders.lock_by_ids(connection, ["one", "nobody"]) == [changed]


def test_a_reminder_is_unique_on_its_medium(ledger: Ledger) -> None:
    put(ledger, row("one"))
    with pytest.raises(IntegrityError):
        put(ledger, row("one"))
    put(ledger, row("one", medium="email"))


def test_reminders_are_deleted_with_their_history_on_their_own_medium(ledger: Ledger) -> None:
    put(ledger, row("one"), row("one", medium="email"), row("two", medium="email"), row("three"))
    with ledger.transaction() as connection:
        attempt = ATTEMPT | {"reminder_id": "one"}
        queries.attempts.insert_rows(connection, [attempt, attempt | {"medium": "email"}])
        queries.reminders.delete_with_history(connection, [("one", "whatsapp"), ("two", "email")])
        left = queries.reminders.lock_by_ids(connection, ["one", "two", "three"])
        assert {each.key for each in left} == {("one", "email"), ("three", "whatsapp")}
        assert connection.execute(text("SELECT reminder_id, medium FROM attempts")).all() == [("one", "email")]


def test_reminders_in_doubt_come_latest_attempt_first(ledger: Ledger) -> None:
    put(
        ledger,
        row("a", status="unknown", unknown_since=3, attempted_at=3),
        row("b", status="unresolved", attempted_at=5),
        row("c", status="unresolved", attempted_at=1),
        row("d", status="delivered", attempted_at=9),
    )
    with ledger.reading() as connection:
        assert [each.reminder_id for each in queries.reporting.console.latest_in_doubt(connection, 9)] == [
            "b",
            "a",
            "c",
        ]
        assert [each.reminder_id for each in queries.reporting.console.latest_in_doubt(connection, 2)] == ["b", "a"]


def test_unsent_reminders_are_those_that_wait_for_a_moment_or_hold_a_lease(ledger: Ledger) -> None:
    put(ledger, row("due", due_at=1), row("leased", status="sending", lease_until=2), row("sent", status="delivered"))
    with ledger.transaction() as connection:
        assert {each.reminder_id for each in queries.reminders.lock_unsent(connection, 9)} == {"due", "leased"}
        assert len(queries.reminders.lock_unsent(connection, 1)) == 1


def test_an_attempt_needs_its_reminder(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), ledger.transaction() as connection:
        queries.attempts.insert_rows(connection, [ATTEMPT])


def test_only_reminders_deferred_for_the_reason_are_woken(ledger: Ledger) -> None:
    put(
        ledger,
        row("waits", due_at=90, reason="detect_behind", partition=1),
        row("elsewhere", due_at=90, reason="detect_behind", partition=2),
        row("otherwise", due_at=90, reason="too_soon", partition=1),
        row("final", reason="detect_behind", partition=1),
    )
    with ledger.transaction() as connection:
        queries.reminders.wake_deferred(connection, "detect_behind", partitions={1})
        assert [r.reminder_id for r in queries.reminders.lock_due(connection, "whatsapp", 10, 10)] == ["waits"]
        queries.reminders.wake_deferred(connection, "too_soon", users={"otherwise", "final"})
        assert {r.reminder_id for r in queries.reminders.lock_due(connection, "whatsapp", 10, 10)} == {
            "waits",
            "otherwise",
        }


def test_the_states_of_a_channel_and_its_templates_are_read_together(ledger: Ledger) -> None:
    stopped = ChannelRow("whatsapp/order/en", "template_missing", 1, 2, 3, 4)
    with ledger.transaction() as connection:
        queries.channels.put_state(connection, replace(stopped, stops=1))
        queries.channels.put_state(connection, stopped)
        queries.channels.put_state(connection, ChannelRow("email"))
    with ledger.reading() as connection:
        assert queries.channels.states(connection, "whatsapp") == {
            "whatsapp": ChannelRow("whatsapp"),
            "whatsapp/order/en": stopped,
        }


def test_an_opt_out_holds_until_it_is_lifted_and_can_be_made_again(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        stop = StoredOptOut("user:a", "whatsapp", "opted_out", "response", 5)
        queries.opt_outs.record(connection, [stop, replace(stop, subject="phone:x")])
        queries.opt_outs.record(connection, [replace(stop, occurred_at=9)])
        assert queries.opt_outs.opted_out_since(connection, ["user:a", "user:b"]) == {"user:a": 9}
        assert queries.opt_outs.record_opt_in(connection, ["user:a", "user:b"], "email", "webhook", 20) == {"user:a"}
        assert queries.opt_outs.opted_out_since(connection, ["user:a", "phone:x"]) == {"phone:x": 5}
        queries.opt_outs.record(connection, [replace(stop, occurred_at=19)])  # told late
        queries.opt_outs.record(connection, [replace(stop, subject="user:b", medium="email", occurred_at=19)])
        assert queries.opt_outs.opted_out_since(connection, ["user:a", "user:b"]) == {}
        assert queries.opt_outs.lift(connection, ["phone:x", "user:a"], 5) == set()  # at equal times the no counts
        queries.opt_outs.record(connection, [replace(stop, occurred_at=30)])
        assert queries.opt_outs.in_force(connection, ["user:a"]) == [replace(stop, occurred_at=30)]
