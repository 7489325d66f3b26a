"""How a command ends when something is wrong: in words, and with the status that scripts expect."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

DONE, FAILED, MISUSED = 0, 1, 2


class CommandFailed(Exception):
    """The command could not do what it was asked to; the text says why, and what to do about it."""


@contextmanager
def exit_with_message() -> Iterator[None]:
    """Ends the command in words where a user can put things right. Any other exception is a mistake of ours."""
    try:
        yield
    except Exception as problem:
        told = _words(problem)
        if told is None:
            raise
        status, words = told
        for line in words.splitlines():
            typer.echo(line, err=True)
        raise typer.Exit(status) from None


def _words(problem: Exception) -> tuple[int, str] | None:
    """The exit status and what to say, unless nobody but us can do anything about it."""
    # Imported here, because only a command that got far enough to fail has a use for them.
    from confluent_kafka import KafkaException
    from sqlalchemy.exc import OperationalError

    from consumer.activity.errors import RegistryUnavailable, SchemaRefused
    from consumer.config.errors import ConfigError
    from consumer.kafka.clients.topics import TopicsRefused
    from consumer.ledger.errors import LedgerRefused
    from consumer.web.server import PortTaken

    if isinstance(problem, ConfigError):
        return MISUSED, str(problem)
    if isinstance(
        problem, CommandFailed | LedgerRefused | PortTaken | RegistryUnavailable | SchemaRefused | TopicsRefused
    ):
        return FAILED, str(problem)
    if isinstance(problem, KafkaException):
        return FAILED, f"the broker: {problem.args[0].str()}"
    if isinstance(problem, OperationalError):
        return FAILED, "ledger.url: the database cannot be opened: is it up, and is this its address?"
    return None
