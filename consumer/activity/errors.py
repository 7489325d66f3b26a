"""What can go wrong with a value from a topic, and with the registry that knows its schema."""

from typing import NamedTuple

from consumer.clock import SECOND, Millis


class ValueProblem(NamedTuple):
    """Why a value cannot be used: `reason` is a metric label; `error` says what to do and quotes no data."""

    reason: str
    error: str


class BadRecord(Exception):
    """This value can never be read as it is. `reason` and `error` are those of a ValueProblem."""

    def __init__(self, reason: str, error: str) -> None:
        super().__init__(error)
        self.reason = reason
        self.error = error


class RegistryUnavailable(Exception):
    """The Schema Registry does not answer now. No record is bad because of it: try again."""

    def __init__(self, error: str, retry_after_ms: Millis = SECOND) -> None:
        """It makes no sense to try before `retry_after_ms`."""
        super().__init__(error)
        self.retry_after_ms = retry_after_ms


class SchemaRefused(Exception):
    """The Schema Registry refuses one of our schemas. Trying again does not help."""
