"""What `lapse check` tries on the side of the ledger."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from confluent_kafka import KafkaException
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from consumer.commands.check.kafka import Reached
from consumer.commands.terminal.output import CheckResult
from consumer.config.settings import Settings
from consumer.ledger.errors import LedgerRefused, NoLedger
from consumer.ledger.store import Ledger
from consumer.wiring.ledger import TopicPositions, look

_RESTORED = (
    "`lapse run` takes all that was not sent by then for doubtful and sends none of it; look for what is unresolved"
    " afterwards, and settle it with `lapse resolve`"
)


Look = Callable[[Ledger | None], TopicPositions]
"""At a ledger, or at the lack of one, beside what was done on the topics."""


def ledger(url: str, beside: Look) -> CheckResult:
    """Does it open, and do the topics belong to it as it is? It is only looked at, so that this can be asked while the
    service is at work on it.
    """
    try:
        if missing := _file_to_be_made(url):
            return _beside_its_topics(_writable(missing), beside(None))
        found = Ledger(url, read_only=True)
        try:
            return _beside_its_topics(CheckResult(True, "ledger: opens, and its schema is ours"), beside(found))
        finally:
            found.close()
    except NoLedger:
        return _beside_its_topics(
            CheckResult(True, "ledger: will be made in its database at the first start"), beside(None)
        )
    except LedgerRefused as problem:
        return CheckResult(False, "ledger", str(problem))
    except KafkaException as problem:
        return CheckResult(
            False, "ledger", f"the broker does not tell how far deliver has read: {problem.args[0].str()}"
        )
    except SQLAlchemyError as problem:
        # Its text may be long and names the address; the kind is enough to look at the right place.
        kind = type(problem).__name__
        return CheckResult(False, "ledger", f"cannot be opened ({kind}): is the database up, and ledger.url right?")
    return CheckResult(True, "ledger: opens, and its schema is ours")


def topic_positions(settings: Settings, reached: Reached | None) -> Look:
    """Finds nothing where the broker does not answer, or where topics are missing, so that nobody has been at work."""
    topics = settings.topics
    if reached and {topics.reminders, topics.contacts, topics.delivery_status} <= reached[1].topics.keys():
        return partial(look, settings, reached[0])
    return lambda ledger: TopicPositions(None, {})


def _beside_its_topics(line: CheckResult, seen: TopicPositions) -> CheckResult:
    if not line.ok:
        return line
    if seen.refusal:
        return CheckResult(False, "ledger", seen.refusal)
    if seen.lost:
        topics = ", ".join(sorted(seen.lost))
        return CheckResult(
            True, f"ledger: is from a backup; deliver had read more of {topics} than it knows", _RESTORED
        )
    return line


def _file_to_be_made(url: str) -> Path | None:
    parsed = make_url(url)
    path = Path(parsed.database or ":memory:").absolute()
    return path if parsed.get_backend_name() == "sqlite" and not path.exists() else None


def _writable(path: Path) -> CheckResult:
    folder = next(above for above in path.parents if above.exists())
    if os.access(folder, os.W_OK):
        return CheckResult(True, f"ledger: {path} will be made at the first start")
    return CheckResult(False, f"ledger: {path} cannot be made", f"{folder} may not be written to")
