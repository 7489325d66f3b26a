"""A part's loop waits for what may mend itself, says for what, and gives up on what does not."""

import asyncio
import sqlite3
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from consumer.clock import ManualClock
from consumer.kafka.clients.publisher import NotAcknowledged, Refused
from consumer.metrics import ServiceMetrics
from consumer.web.health import Health
from consumer.wiring.part_loop import PartLoop

ENGINE = create_engine("sqlite://")


class Part:
    """A part whose steps fail one after the other as they are told, and then it is over."""

    def __init__(self, *failures: Callable[[], None] | None) -> None:
        self._failures = list(failures)
        self._ended = asyncio.Event()
        self._health = Health(ManualClock().monotonic)
        self._errors = ServiceMetrics(CollectorRegistry()).part_errors
        self._loop = PartLoop(self._health, "outbox", self._ended, lambda: None, errors=self._errors, retry_ms=0)
        self.details: list[str | None] = []

    def run(self) -> None:
        asyncio.run(asyncio.wait_for(self._loop.repeat(self._step, idle_ms=0), 30))

    def errors(self, cause: str) -> float:
        return float(self._errors.labels("outbox", cause)._value.get())

    async def _step(self) -> int:
        self.details.append(self._health.states()["outbox"].detail)
        if not self._failures:
            self._ended.set()
        elif failure := self._failures.pop(0):
            failure()
        return 1


def missing_table() -> None:
    with ENGINE.connect() as connection:
        connection.execute(text("SELECT 1 FROM missing"))


def locked() -> None:
    busy = sqlite3.OperationalError("database is locked")
    busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
    raise OperationalError("SELECT 1", {}, busy)


def refused() -> None:
    raise Refused("the topic delivery-status is not there: create it, or run `lapse topics --create`")


def unanswered() -> None:
    raise NotAcknowledged("delivery-status: not acknowledged in time")


@pytest.mark.parametrize("failure", [locked, refused, unanswered])
def test_what_may_mend_itself_is_waited_for_however_long(failure: Callable[[], None]) -> None:
    part = Part(*[failure] * 100)
    part.run()
    assert len(part.details) == 101


def test_a_topic_that_is_not_there_is_named_while_it_is_waited_for() -> None:
    part = Part(refused)
    part.run()
    assert str(part.details[1]).startswith("the topic delivery-status is not there: create it")


def test_error_of_the_ledger_that_lasts_ends_the_part() -> None:
    part = Part(*[missing_table] * 100)
    with pytest.raises(OperationalError, match="no such table"):
        part.run()
    assert len(part.details) == 12


def test_errors_that_do_not_last_are_not_added_up() -> None:
    part = Part(*[missing_table, missing_table, None, missing_table, locked] * 20)
    part.run()
    assert len(part.details) == 101


def test_errors_are_counted_by_their_cause() -> None:
    part = Part(locked, None, refused, unanswered)
    part.run()
    assert (part.errors("ledger"), part.errors("broker")) == (1, 2)
