"""What an operator may do over HTTP. Each action is journalled in the transaction in which it is done."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from consumer.clock import Clock, Millis
from consumer.deliver.operations import pauses
from consumer.deliver.operations.cancel import cancel
from consumer.deliver.operations.resolve import MOST, note, resolve
from consumer.deliver.recipients import likely_opt_outs
from consumer.deliver.unit_of_work import UnitOfWork, unit_of_work
from consumer.ledger import queries
from consumer.ledger.queries.operating.journal import Action, Actor
from consumer.ledger.queries.operating.selections import UnresolvedSelection, WaitingSelection
from consumer.ledger.queries.pauses import EVERYTHING
from consumer.ledger.store import Ledger
from consumer.metrics import DeliverMetrics
from consumer.web.api.funnel import Moment
from consumer.web.api.operation import Question, Text, Whole

Most = Annotated[int, Field(ge=1, le=10_000_000), Whole]


class PauseQuestion(Question):
    """A process; without one everything."""

    process: Text | None = None


class CancelQuestion(Question):
    """Unsent reminders that were requested before `until`, and no more of them than `most`: those that were shown."""

    until: Moment
    most: Most
    reason: Text | None = None
    reminder: Text | None = None
    process: Text | None = None
    medium: Text | None = None

    @property
    def selection(self) -> WaitingSelection:
        return WaitingSelection(
            until=self.until,
            reason=self.reason,
            reminder_id=self.reminder,
            process=self.process,
            medium=self.medium,
        )


class ResolveQuestion(Question):
    """Unresolved reminders that were last tried before `until`, and no more of them than `most`: those that were
    shown. `sent`: whether their messages went out."""

    sent: bool
    until: Moment
    most: Most
    reminder: Text | None = None
    process: Text | None = None
    medium: Text | None = None

    @property
    def selection(self) -> UnresolvedSelection:
        return UnresolvedSelection(
            until=self.until, reminder_id=self.reminder, process=self.process, medium=self.medium
        )


class LikelyOptOutQuestion(Question):
    """A hold on somebody who may have opted out, and whether they did."""

    subject: Text
    medium: Text
    opted_out: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, in a sentence, and how many reminders it concerned."""

    words: str
    count: int


class ActionRefused(Exception):
    """It cannot be done; the text says why."""


class Actions:
    """Does them. Blocks its thread. `changed` is called when something was done, so that pages are made anew."""

    def __init__(
        self,
        ledger: Ledger,
        metrics: DeliverMetrics,
        clock: Clock,
        *,
        processes: Collection[str],
        changed: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._processes = processes
        self._changed = changed

    def pause(self, asked: PauseQuestion, by: Actor) -> Done:
        """Pause a process, or everything. Raises ActionRefused if there is no such process."""
        name = self._pause_name(asked)
        with self._work() as work:
            queries.pauses.pause(work.connection, name, work.now)
            queries.operating.journal.add(work.connection, work.now, by, "pause", subject=_label(name))
        return self._done(Done(f"{_label(name)} is paused: its reminders wait.", 0))

    def resume(self, asked: PauseQuestion, by: Actor) -> Done:
        """End a pause. Raises ActionRefused if there is no such process."""
        name = self._pause_name(asked)
        with self._work() as work:
            count = pauses.resume(work.connection, name)
            queries.operating.journal.add(work.connection, work.now, by, "resume", subject=_label(name), count=count)
        return self._done(Done(f"{_label(name)} goes on; {reminders(count)} had waited for it.", count))

    def cancel(self, asked: CancelQuestion, by: Actor) -> Done:
        def cancel_some(work: UnitOfWork, limit: int) -> int:
            rows = cancel(work, asked.selection, limit)
            if rows:
                subject = rows[0].reminder_id if asked.reminder else asked.process
                add = queries.operating.journal.add
                add(work.connection, work.now, by, "cancel", subject=subject, detail=asked.reason, count=len(rows))
            return len(rows)

        count = self._in_batches(asked.most, cancel_some)
        return self._done(Done(f"Cancelled {reminders(count)}: nothing of that is sent any more.", count))

    def resolve(self, asked: ResolveQuestion, by: Actor) -> Done:
        def resolve_some(work: UnitOfWork, limit: int) -> int:
            rows = resolve(work, asked.selection, sent=asked.sent, limit=limit)
            note(work.connection, work.now, by, rows, sent=asked.sent)
            return len(rows)

        count = self._in_batches(asked.most, resolve_some)
        sent, again = (
            f"Recorded {reminders(count)} as sent.",
            f"Planned {reminders(count)} again, with all checks to pass.",
        )
        return self._done(Done(sent if asked.sent else again, count))

    def settle_likely_opt_out(self, asked: LikelyOptOutQuestion, by: Actor) -> Done:
        """Say whether the person opted out. Raises ActionRefused if the hold has ended meanwhile."""
        with self._work() as work:
            person = likely_opt_outs.find(work, asked.subject, asked.medium)
            if person is None:
                raise ActionRefused("this hold has ended meanwhile, or somebody has settled it")
            users = ", ".join(person.users) or None
            if asked.opted_out:
                likely_opt_outs.confirm(work, person, person.said_at or work.now)
                done = Done("The opt-out is recorded: nothing more is sent to this person.", 0)
            else:
                count = likely_opt_outs.lift(work, person)
                done = Done(f"The hold is lifted; {reminders(count)} had waited for it.", count)
            action: Action = "opt_out" if asked.opted_out else "lift"
            queries.operating.journal.add(work.connection, work.now, by, action, subject=users, count=done.count)
        return self._done(done)

    def note_release(self, by: Actor, held: int) -> None:
        """Journal that somebody released the brake."""
        with self._work() as work:
            queries.operating.journal.add(work.connection, work.now, by, "release", subject="brake", count=held)
        self._changed()

    def count_cancel(self, selection: WaitingSelection) -> tuple[int, Millis]:
        """Return how many reminders a cancellation would concern now, and this moment."""
        until = self._clock.now()
        with self._ledger.reading() as connection:
            count = queries.operating.selections.count_waiting(connection, replace(selection, until=until))
        return count, until

    def count_resolve(self, selection: UnresolvedSelection) -> tuple[int, Millis]:
        """Return how many reminders could be settled now, and this moment."""
        until = self._clock.now()
        with self._ledger.reading() as connection:
            count = queries.operating.selections.count_unresolved(connection, replace(selection, until=until))
        return count, until

    def _in_batches(self, most: int, act: Callable[[UnitOfWork, int], int]) -> int:
        """Act on `most` reminders or on all there are, in transactions of at most MOST; return on how many."""
        count = 0
        while count < most:
            with self._work() as work:
                done = act(work, most - count)
            count += done
            if done < MOST:
                break
        return count

    def _work(self) -> AbstractContextManager[UnitOfWork]:
        return unit_of_work(self._ledger, self._metrics, self._clock.now())

    def _done(self, done: Done) -> Done:
        self._changed()
        return done

    def _pause_name(self, asked: PauseQuestion) -> str:
        if asked.process is None:
            return EVERYTHING
        with self._ledger.reading() as connection:
            known = {*self._processes, *queries.pauses.paused_since(connection)}
        if asked.process not in known:
            raise ActionRefused("there is no process of this name")
        return asked.process


def reminders(count: int) -> str:
    """Return a count of reminders in words."""
    return "1 reminder" if count == 1 else f"{count:,} reminders"


def _label(name: str) -> str:
    return name or "everything"
