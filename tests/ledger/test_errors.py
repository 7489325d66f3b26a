"""Which errors of the database pass if one waits, and which are about the data."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg import errors
from sqlalchemy import Connection, create_engine, insert, text
from sqlalchemy.exc import (
    DBAPIError,
    OperationalError,
    PendingRollbackError,
    ProgrammingError,
    StatementError,
    TimeoutError,
)

from consumer.kafka.at_least_once_consumer import NotNow
from consumer.kafka.dead_letters.isolation import BatchRefused
from consumer.ledger.errors import is_transient
from consumer.ledger.schema.tables import contacts
from consumer.ledger.store import Ledger
from consumer.metrics import ServiceMetrics
from consumer.wiring.deliver.ledger import wait_for_ledger

TRANSIENT = [
    errors.LockNotAvailable,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.AdminShutdown,
    errors.CannotConnectNow,
    errors.QueryCanceled,
    errors.DiskFull,
    errors.TooManyConnections,
    errors.IdleInTransactionSessionTimeout,
    errors.ReadOnlySqlTransaction,
    psycopg.OperationalError,
]
ABOUT_THE_DATA = [
    errors.StringDataRightTruncation,
    errors.CharacterNotInRepertoire,
    errors.NumericValueOutOfRange,
    errors.NotNullViolation,
    errors.UniqueViolation,
    errors.UndefinedColumn,
    errors.ProgramLimitExceeded,
    errors.InternalError_,
    psycopg.DataError,
]
TOO_LONG_FOR_AN_INDEX = Random(1).randbytes(10_000).hex()
CONTACT = {"user_id": "maria", "opt_in": True, "erased": False, "source_partition": 0, "source_offset": 1}


def raised(ledger: Ledger, work: Callable[[Connection], object]) -> StatementError:
    with pytest.raises(StatementError) as caught, ledger.transaction() as connection:
        work(connection)
    return caught.value


def wrapped(error: Exception) -> BaseException:
    """As SQLAlchemy raises what the driver raised."""
    return DBAPIError.instance("SELECT 1", {}, error, psycopg.Error)


@pytest.mark.parametrize("error", TRANSIENT)
def test_trouble_of_the_server_is_transient(error: type[Exception]) -> None:
    assert is_transient(wrapped(error()))


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (wrapped(errors.AdminShutdown()), NotNow),
        (wrapped(errors.CharacterNotInRepertoire()), BatchRefused),
        (wrapped(errors.NotNullViolation()), BatchRefused),
        (wrapped(errors.ProgramLimitExceeded()), BatchRefused),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), BatchRefused),
        (OverflowError("Python int too large"), BatchRefused),
        (wrapped(errors.UndefinedColumn()), ProgrammingError),
        (ValueError("a status of a newer version"), BatchRefused),
        (RuntimeError("a mistake of ours"), RuntimeError),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, Exception) else case.__name__,
)
def test_a_handler_waits_for_the_server_and_refuses_only_what_is_about_the_data(
    error: Exception, becomes: type[Exception]
) -> None:
    def handle() -> None:
        raise error

    with pytest.raises(becomes):
        wait_for_ledger(handle, ServiceMetrics(CollectorRegistry()).part_errors, "reminders")()


@pytest.mark.parametrize("error", ABOUT_THE_DATA)
def test_what_would_be_refused_again_is_not_transient(error: type[Exception]) -> None:
    assert not is_transient(wrapped(error()))


def test_no_free_connection_is_transient_and_a_mistake_of_ours_is_not() -> None:
    assert is_transient(TimeoutError())
    assert not is_transient(PendingRollbackError())
    assert not is_transient(ValueError("NUL"))


def test_a_row_without_a_value_is_not_transient(ledger: Ledger) -> None:
    row = {name: value for name, value in CONTACT.items() if name != "source_offset"}
    assert not is_transient(raised(ledger, lambda connection: connection.execute(insert(contacts), row)))


def test_a_violated_constraint_is_not_transient(ledger: Ledger) -> None:
    assert not is_transient(raised(ledger, lambda connection: connection.execute(insert(contacts), [CONTACT, CONTACT])))


def test_an_unknown_table_is_not_transient(ledger: Ledger) -> None:
    assert not is_transient(raised(ledger, lambda connection: connection.execute(text("SELECT * FROM nothing"))))


@pytest.mark.parametrize("value", ["34\x00600", TOO_LONG_FOR_AN_INDEX], ids=["nul", "too long for an index"])
def test_a_value_that_postgresql_does_not_take_is_not_transient(postgresql_ledger: Ledger, value: str) -> None:
    row = CONTACT | {"user_id": value}
    assert not is_transient(raised(postgresql_ledger, lambda connection: connection.execute(insert(contacts), row)))


def test_a_lock_that_another_holds_is_transient(postgresql_ledger: Ledger) -> None:
    with postgresql_ledger.transaction() as holder:
        holder.execute(text("LOCK TABLE contacts"))

        def wait(connection: Connection) -> None:
            connection.execute(text("SET LOCAL lock_timeout = '10ms'"))
            connection.execute(insert(contacts), CONTACT)

        assert is_transient(raised(postgresql_ledger, wait))


def test_a_connection_that_the_server_ends_is_transient(postgresql_ledger: Ledger) -> None:
    end = text("SELECT pg_terminate_backend(pg_backend_pid())")
    assert is_transient(raised(postgresql_ledger, lambda connection: connection.execute(end)))


def test_a_server_that_is_not_there_is_transient() -> None:
    with pytest.raises(OperationalError) as caught:
        Ledger("postgresql+psycopg://lapse@127.0.0.1:1/lapse")
    assert is_transient(caught.value)


def test_a_locked_sqlite_file_is_transient(sqlite_url: str, tmp_path: Path) -> None:
    Ledger(sqlite_url).close()
    holder = sqlite3.connect(tmp_path / "lapse.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    engine = create_engine(sqlite_url, connect_args={"timeout": 0.01})
    with pytest.raises(OperationalError) as caught, engine.begin() as connection:
        connection.execute(insert(contacts), CONTACT)
    assert is_transient(caught.value)
    holder.close()
    engine.dispose()
