"""Why a ledger may not be used, which errors pass if one waits, and which are about a single value."""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_TRANSIENT_CLASSES = frozenset({"08", "40", "53", "55", "57", "58", "72"})
"""Classes of PostgreSQL's error codes: connection lost, rolled back because of another transaction, out of resources
(disk, memory, connections), locked, shut down or cancelled, input/output, snapshot too old."""
_TRANSIENT_CODES = frozenset({"25006", "25P03", "25P04"})
"""The server is a standby or may only be read (a failover is under way); our transaction took too long."""
_SQLITE_TRANSIENT = frozenset({5, 6, 7, 8, 9, 10, 13, 14, 15})
"""SQLite's primary result codes BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN and PROTOCOL."""
_LIMIT_EXCEEDED = "54"
"""The class of PostgreSQL's codes for a value that is too large, such as one for an index."""
_UNEXPECTED_VALUE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError)
"""What our code raises that does not expect a value: an unknown name, a time that overflows, JSON that is none."""
_SQLITE_DATA = frozenset({18, 19, 20})
"""SQLite's primary result codes TOOBIG, CONSTRAINT and MISMATCH."""


class LedgerRefused(Exception):
    """This ledger must not be worked on; the text says why and what to do."""


class LedgerRegressed(LedgerRefused):
    """The server has lost what it had committed: another one took over without it."""


class NoLedger(LedgerRefused):
    """There is none yet."""


def is_transient(error: BaseException) -> bool:
    """Tell whether the same statement may succeed later: the error is about the database and not about the data.

    Transient are lost connections, locks, serialization failures, a shutdown, a full disk. Not transient are a value
    that the database does not take (too long, a NUL in a text), a violated constraint, a statement it does not know.
    """
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    sqlstate: str | None = getattr(error.orig, "sqlstate", None)
    if sqlstate is not None:
        return sqlstate[:2] in _TRANSIENT_CLASSES or sqlstate in _TRANSIENT_CODES
    result_code: int | None = getattr(error.orig, "sqlite_errorcode", None)
    if result_code is not None:
        return result_code & 0xFF in _SQLITE_TRANSIENT
    return isinstance(error, OperationalError | InterfaceError)  # no code: no answer came from a database


def is_about_the_data(error: BaseException) -> bool:
    """Tell whether the database refuses these values, so that other values may be taken.

    A statement that it does not know, such as one for a column that is missing, is not: every record would be refused.
    """
    if isinstance(error, UnicodeError | OverflowError):
        return True  # a driver that cannot write the value
    if not isinstance(error, DBAPIError) or is_transient(error):
        return False
    sqlstate: str = getattr(error.orig, "sqlstate", None) or ""
    result_code: int = getattr(error.orig, "sqlite_errorcode", None) or 0
    return (
        isinstance(error, DataError | IntegrityError)
        or sqlstate[:2] == _LIMIT_EXCEEDED
        or result_code & 0xFF in _SQLITE_DATA
    )


def is_about_a_value(error: BaseException) -> bool:
    """Tell whether the database, or our code, met a value that it cannot handle, so that others may be handled.

    Whatever is wrong with the ledger itself is not: a lost connection, a table that is missing.
    """
    return isinstance(error, _UNEXPECTED_VALUE) or is_about_the_data(error)
