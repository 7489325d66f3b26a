"""What the metrics say of reminders that are due, of circuit breakers, of reports and of messages sent too late."""

from dataclasses import replace

from prometheus_client import Counter, Gauge

from consumer.clock import DAY, MINUTE, SECOND
from consumer.deliver.operations.ledger_gauges import LedgerGauges
from consumer.onemsg.outcomes import Rejected, Remedy
from consumer.records import WHATSAPP

from .deliver_diary import Diary
from .detect_diary import moment


def value(metric: Counter | Gauge, *labels: str) -> float:
    return float(metric.labels(*labels)._value.get())


def measure(deliver: Diary) -> None:
    LedgerGauges(deliver.ledger, [WHATSAPP], deliver.metrics, deliver.clock.now).refresh()


def state_of(deliver: Diary, channel: str = WHATSAPP) -> list[str]:
    states = ("closed", "half_open", "open")
    return [state for state in states if value(deliver.metrics.circuit_breaker_state, channel, state)]


def test_age_of_the_oldest_reminder_that_may_be_looked_at(deliver: Diary) -> None:
    oldest = deliver.metrics.oldest_due_reminder
    measure(deliver)
    assert value(oldest, WHATSAPP) == 0
    deliver.knows("maria").due("maria")
    deliver.after(5 * MINUTE).due("anna")
    measure(deliver)
    assert value(oldest, WHATSAPP) == 5 * MINUTE / SECOND
    deliver.detect_is_at().works()  # one goes out, and the other waits for its contact
    measure(deliver)
    assert value(oldest, WHATSAPP) == 0


def test_circuit_breakers_are_open_then_half_open_then_closed(deliver: Diary) -> None:
    measure(deliver)
    assert state_of(deliver) == ["closed"]
    deliver.onemsg.answers = [Rejected(reason="credential", remedy=Remedy.CHANNEL)]
    deliver.knows("maria").due("maria").works()
    measure(deliver)
    assert state_of(deliver) == ["open"]
    deliver.after(5 * MINUTE)
    measure(deliver)
    assert state_of(deliver) == ["half_open"]
    deliver.detect_is_at().works().went_out("Maria", "Maria")
    measure(deliver)
    assert state_of(deliver) == ["closed"]


def test_reports_that_come_twice_are_counted_as_repeated(deliver: Diary) -> None:
    reports = deliver.metrics.webhook_reports
    deliver.knows("maria").due("maria").works()
    deliver.reports("wamid.1", "sent").reports("wamid.1", "sent").reports("wamid.1", "read", "delivered")
    deliver.reports("wamid.of.another.system", "sent").works()
    counts = {outcome: value(reports, outcome) for outcome in ("applied", "repeated", "late", "unmatched")}
    assert counts == {"applied": 2, "repeated": 1, "late": 1, "unmatched": 1}
    assert float(deliver.metrics.last_webhook._value.get()) == deliver.clock.now() / SECOND


def test_delay_is_told_apart_by_whether_a_rule_had_held_the_reminder(deliver: Diary) -> None:
    def counted(held: str) -> float:
        return float(sum(bucket.get() for bucket in deliver.metrics.lapse_to_send.labels(held)._buckets))

    deliver.knows("maria").due("maria").due("anna").works()  # there is no contact of Anna yet
    assert (counted("no"), counted("yes")) == (1, 0)
    deliver.after(MINUTE).detect_is_at().knows("anna", "Anna", "+34 612 345 679").works()
    assert (counted("no"), counted("yes")) == (1, 1)


def test_message_of_which_nothing_is_reported_in_time_is_counted(deliver: Diary) -> None:
    deliver.knows("maria").due("maria").works().after(2 * DAY).works()
    assert value(deliver.metrics.unreported, "account-setup") == 1


def test_message_that_left_after_the_person_had_come_back_is_a_false_positive(deliver: Diary) -> None:
    deliver.knows("maria").knows("anna").due("maria").due("anna").works()
    came_back = replace(deliver.reminder("RETURNED", "maria"), occurred_at=moment("Mon 08:59"))
    deliver.takes(came_back).takes(came_back)  # heard twice, counted once
    deliver.after(MINUTE).takes(replace(deliver.reminder("RETURNED", "anna"), occurred_at=deliver.clock.now()))
    assert value(deliver.metrics.false_positives, "account-setup") == 1
