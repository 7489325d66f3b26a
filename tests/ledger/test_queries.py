"""The queries that everything hangs on. Their plans are in `test_query_plans`."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from consumer.ledger import queries
from consumer.ledger.schema.rows import ChannelRow, ReminderRow
from consumer.ledger.store import Ledger


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


def test_what_is_due_comes_in_the_order_in_which_it_became_due(ledger: Ledger) -> None:
    put(ledger, row("late", due_at=30), row("early", due_at=10), row("later", due_at=31), row("never"))
    with ledger.transaction() as connection:
        assert [r.reminder_id for r in queries.reminders.lock_due(connection, "whatsapp", 30, 10)] == ["early", "late"]
        assert [r.reminder_id for r in queries.reminders.lock_due(connection, "whatsapp", 99, 1)] == ["early"]
        assert queries.reminders.lock_due(connection, "email", 99, 10) == []
        assert queries.reminders.any_due(connection, "whatsapp", 10)
        assert not queries.reminders.any_due(connection, "whatsapp", 9)


def test_a_row_comes_back_as_it_was_written(ledger: Ledger) -> None:
    one = row("one", due_at=10)
    put(ledger, one)
    changed = one._replace(status="sending", due_at=None, lease_until=40, attempts=1, phone="34612345678", reason="x")
    with ledger.transaction() as connection:
        queries.reminders.update_rows(connection, [(one, changed)])
    with ledger.transaction() as connection:
        assert queries.reminders.lock_by_ids(connection, ["one", "nobody"]) == [changed]


def test_the_same_reminder_cannot_be_there_twice(ledger: Ledger) -> None:
    put(ledger, row("one"))
    with pytest.raises(IntegrityError):
        put(ledger, row("one"))
    put(ledger, row("one", medium="email"))


def test_an_attempt_belongs_to_a_reminder_that_is_there(ledger: Ledger) -> None:
    attempt = {
        "reminder_id": "nobody", "medium": "whatsapp", "number": 1, "user_id": "u", "process": "p", "step": 0,
        "started_at": 1, "outcome": "sending", "may_have_been_sent": True,
    }  # fmt: skip
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), ledger.transaction() as connection:
        queries.attempts.insert_rows(connection, [attempt])


def test_only_whoever_waited_for_it_is_woken(ledger: Ledger) -> None:
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


def test_a_channels_state_is_kept_beside_those_of_its_templates(ledger: Ledger) -> None:
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


def test_an_opt_out_stands_until_it_is_lifted_and_can_be_made_again(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        queries.opt_outs.record(connection, ["user:a", "phone:x"], "whatsapp", "opted_out", 5)
        queries.opt_outs.record(connection, ["user:a"], "whatsapp", "said_stop", 9)
        assert queries.opt_outs.opted_out_subjects(connection, ["user:a", "user:b"], "whatsapp") == {"user:a"}
        assert queries.opt_outs.opted_out_subjects(connection, ["user:a"], "email") == set()
        connection.execute(text("UPDATE opt_outs SET lifted_at = 20"))
        assert queries.opt_outs.opted_out_subjects(connection, ["user:a"], "whatsapp") == set()
        queries.opt_outs.record(connection, ["user:a"], "whatsapp", "said_stop", 19)  # told late
        assert queries.opt_outs.opted_out_subjects(connection, ["user:a"], "whatsapp") == set()
        queries.opt_outs.record(connection, ["user:a"], "whatsapp", "said_stop", 30)
        assert queries.opt_outs.opted_out_subjects(connection, ["user:a"], "whatsapp") == {"user:a"}
