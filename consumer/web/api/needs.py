"""`GET /api/needs`: what waits for a person's decision."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from consumer.clock import Clock, Millis
from consumer.deliver.recipients.opt_outs import LIKELY_OPT_OUT
from consumer.kafka.dead_letters.topic_summary import TopicSummary
from consumer.ledger import queries
from consumer.ledger.queries.operating.selections import UnresolvedSelection
from consumer.ledger.queries.reporting.console import HeldPerson, InDoubt, WaitingCount
from consumer.ledger.store import Ledger
from consumer.web.api.now import Paused, Stopped, stopped_of
from consumer.web.api.operation import Question, Text

MAX_ROWS = 200


class NeedsQuestion(Question):
    """Of one process, of one medium, or of all."""

    process: Text | None = None
    medium: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """`in_doubt` has only the latest; `unresolved` counts those that an operator may settle."""

    at: Millis
    unresolved: int
    in_doubt: Sequence[InDoubt]
    stopped: Sequence[Stopped]
    paused: Sequence[Paused]
    waiting: Sequence[WaitingCount]
    likely_opt_outs: Sequence[HeldPerson]
    dead_letters: TopicSummary | None
    """What lies on their topic, whichever process put it there; None where the broker does not tell."""


class NeedsView:
    """Reads it. Blocks its thread."""

    def __init__(self, clock: Clock, ledger: Ledger, dead_letters: Callable[[], TopicSummary | None]) -> None:
        self._clock = clock
        self._ledger = ledger
        self._dead_letters = dead_letters

    def read(self, asked: NeedsQuestion) -> Needs:
        now, console = self._clock.now(), queries.reporting.console
        which = UnresolvedSelection(process=asked.process, medium=asked.medium)
        dead_letters = self._dead_letters()
        with self._ledger.reading() as connection:
            waiting = console.waiting_counts(connection)
            return Needs(
                at=now,
                unresolved=queries.operating.selections.count_unresolved(connection, which),
                in_doubt=console.latest_in_doubt(connection, MAX_ROWS, which),
                stopped=[stopped_of(row) for row in console.stopped_channels(connection)],
                paused=[Paused(name or None, at) for name, at in queries.pauses.paused_since(connection).items()],
                waiting=[
                    each
                    for each in waiting
                    if asked.process in {None, each.process} and asked.medium in {None, each.medium}
                ],
                likely_opt_outs=console.held_people(connection, LIKELY_OPT_OUT, now, MAX_ROWS),
                dead_letters=dead_letters,
            )
