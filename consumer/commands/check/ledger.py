"""The check of the ledger, deliver's database."""

import os
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from confluent_kafka import KafkaException
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from consumer.commands.check.kafka import Reached
from consumer.commands.terminal.output import CheckResult
from consumer.config.settings import Settings
from consumer.kafka.clients.error_codes import in_words
from consumer.ledger.errors import LedgerRefused, NoLedger
from consumer.ledger.store import Ledger
from consumer.wiring.deliver.ledger import TopicPositions, compare_with_topics

_RESTORED = (
    "`lapse run` sends nothing that was unsent in the backup, because it may have been sent since; look for unresolved"
    " reminders afterwards, and settle them with `lapse resolve`"
)


ReadPositions = Callable[[Ledger | None], TopicPositions]
"""Compares a ledger (None: there is none yet) with what deliver has committed on the topics."""


def check_ledger(url: str, read_positions: ReadPositions, hash_key: str | None = None) -> CheckResult:
    """Check that the ledger opens, and that it fits the topics. Only reads, so that the service can run meanwhile."""
    try:
        if missing := _missing_file(url):
            return _with_positions(_writable(missing), read_positions(None))
        with closing(Ledger(url, hash_key=hash_key, read_only=True)) as found:
            assert found.hash_key  # it is given, or in the ledger
            return _with_positions(CheckResult(True, "ledger: opens, and its schema is right"), read_positions(found))
    except NoLedger:
        return _with_positions(
            CheckResult(True, "ledger: its tables will be created at the first start"), read_positions(None)
        )
    except LedgerRefused as problem:
        return CheckResult(False, "ledger", str(problem))
    except KafkaException as problem:
        return CheckResult(
            False, "ledger", f"the broker does not say how far deliver has read: {in_words(problem.args[0])}"
        )
    except SQLAlchemyError as problem:
        # The exception's text may be long and contains the address; its type says enough.
        kind = type(problem).__name__
        return CheckResult(
            False, "ledger", f"cannot be opened ({kind}): is the database running, and is ledger.url right?"
        )


def topic_positions(settings: Settings, reached: Reached | None) -> ReadPositions:
    """Return the comparison; it finds nothing if the broker did not answer, or if topics are missing, so are new."""
    topics = settings.topics
    if reached and {topics.reminders, topics.contacts, topics.delivery_status} <= reached[1].topics.keys():
        return partial(compare_with_topics, settings, reached[0])
    return lambda ledger: TopicPositions(None, {})


def _with_positions(line: CheckResult, seen: TopicPositions) -> CheckResult:
    if not line.ok:
        return line
    if seen.refusal:
        return CheckResult(False, "ledger", seen.refusal)
    if seen.lost:
        topics = ", ".join(sorted(seen.lost))
        return CheckResult(True, f"ledger: is a restored backup; deliver had already read more of {topics}", _RESTORED)
    return line


def _missing_file(url: str) -> Path | None:
    parsed = make_url(url)
    path = Path(parsed.database or ":memory:").absolute()
    return path if parsed.get_backend_name() == "sqlite" and not path.exists() else None


def _writable(path: Path) -> CheckResult:
    folder = next(above for above in path.parents if above.exists())
    if os.access(folder, os.W_OK):
        return CheckResult(True, f"ledger: {path} will be created at the first start")
    return CheckResult(False, f"ledger: {path} cannot be created", f"the directory {folder} is not writable")
