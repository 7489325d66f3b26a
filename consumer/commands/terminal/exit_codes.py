"""How a command ends when something goes wrong: with an explanation, and an exit status for scripts."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from consumer.commands.terminal.output import echo

DONE, FAILED, MISUSED = 0, 1, 2


class CommandFailed(Exception):
    """The command could not do its work; the text says why, and what to do."""


@contextmanager
def exit_with_message() -> Iterator[None]:
    """End the command with a message for errors that a user can fix. Any other exception is a bug, and passes."""
    try:
        yield
    except Exception as problem:
        found = _status_and_message(problem)
        if found is None:
            raise
        status, message = found
        echo(message, err=True)
        raise typer.Exit(status) from None


def _status_and_message(problem: Exception) -> tuple[int, str] | None:
    """Return the exit status and the message for the user; None if the exception is a bug."""
    # Imported here, so that a command without an error does not pay for it.
    from confluent_kafka import KafkaException
    from sqlalchemy.exc import OperationalError

    from consumer.activity.errors import RegistryUnavailable, SchemaRefused
    from consumer.config.errors import ConfigError
    from consumer.kafka.clients.error_codes import BrokerRefused, in_words
    from consumer.kafka.clients.topics import TopicsRefused
    from consumer.ledger.errors import LedgerRefused
    from consumer.onemsg.http.transport import UnsafeProxy
    from consumer.web.server import PortTaken

    if isinstance(problem, ConfigError):
        return MISUSED, str(problem)
    explained = CommandFailed | LedgerRefused | PortTaken | RegistryUnavailable | SchemaRefused | TopicsRefused
    if isinstance(problem, explained | UnsafeProxy):
        return FAILED, str(problem)
    if isinstance(problem, BrokerRefused):
        return FAILED, f"Kafka: {problem}"
    if isinstance(problem, KafkaException):
        return FAILED, f"Kafka: {in_words(problem.args[0])}"
    if isinstance(problem, OperationalError):
        return FAILED, "ledger.url: the database cannot be opened: is it running, and is the address right?"
    return None
