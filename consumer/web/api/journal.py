"""`GET /api/journal`: who did what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from consumer.ledger import queries
from consumer.ledger.queries.operating.journal import Action, JournalEntry
from consumer.ledger.store import Ledger
from consumer.web.api.operation import Question

_PAGE = 100


class JournalQuestion(Question):
    """The latest entries; with `before` those older than the entry of this id."""

    before: Annotated[int, Field(ge=1, le=2**62)] | None = None
    action: Action | None = None


@dataclass(frozen=True, slots=True)
class Journal:
    """The newest first; `more`: there are older ones."""

    entries: Sequence[JournalEntry]
    more: bool


class JournalView:
    """Reads it. Blocks its thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def read(self, asked: JournalQuestion) -> Journal:
        with self._ledger.reading() as connection:
            latest = queries.operating.journal.latest
            found = latest(connection, _PAGE + 1, before=asked.before, action=asked.action)
        return Journal(found[:_PAGE], len(found) > _PAGE)
