"""Asks the Schema Registry on a thread of its own, so that nobody who decodes ever waits long for it.

Each id is asked for once. While the registry does not answer it is asked less and less often. Values that only look as
if they had a schema's id have thousands of different ones: after many ids in a row that the registry does not have, new
ones are not asked for during a minute.
"""

import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

import structlog

from consumer.activity.errors import BadRecord, RegistryUnavailable, ValueProblem
from consumer.activity.schemas.avro_schema import WriterSchema
from consumer.clock import MINUTE, SECOND, Clock, Millis

_FIRST_BACKOFF_MS: Millis = SECOND
_LONGEST_BACKOFF_MS: Millis = MINUTE
_RETRY_AFTER_MS: Millis = 50
"""When somebody whose schema is on its way had better ask again."""
_GRACE_S = 0.2
_GRACE_INTERVAL_MS: Millis = SECOND
"""Once in so long somebody may wait for an answer: mostly it is there in milliseconds, and nothing is put off."""
_ABSENT_FOR_MS: Millis = 10 * SECOND
_MAX_ABSENT_IN_A_ROW = 100
_PAUSE_FOR_FOREIGN_MS: Millis = MINUTE
_MAX_ANSWERS = 10_000
_log = structlog.get_logger()


class SchemaFinder(Protocol):
    """Finds schemas by the registry's ids."""

    def find(self, schema_id: int) -> WriterSchema | None:
        """Return the schema, or None if there is none. Raises RegistryUnavailable, BadRecord."""


class _Answer(NamedTuple):
    """A schema, or what is wrong with it; None and None: the registry does not have it, and is asked again later."""

    schema: WriterSchema | None
    problem: ValueProblem | None
    asked_at: Millis


def start_thread(run: Callable[[], None]) -> None:
    """Run it on a thread that does not keep the process alive."""
    threading.Thread(target=run, name="schema-registry", daemon=True).start()


class BackgroundRegistry:
    """A SchemaFinder that answers at once: `find` raises RegistryUnavailable until the answer is there."""

    def __init__(
        self, registry: SchemaFinder, clock: Clock, start: Callable[[Callable[[], None]], None] = start_thread
    ) -> None:
        """`start` is called with the thread's work at the first request."""
        self._registry = registry
        self._clock = clock
        self._start = start
        self._is_started = False
        self._changed = threading.Condition()
        self._wanted: dict[int, None] = {}
        self._answers: dict[int, _Answer] = {}
        self._problem: str | None = None
        self._backoff: Millis = 0
        self._resume_at: Millis = 0
        self._absent_in_a_row = 0
        self._foreign_until: Millis = 0
        self._waited_at: Millis | None = None

    def find(self, schema_id: int) -> WriterSchema | None:
        """Return the schema, or None if the registry has none with this id.

        Raises RegistryUnavailable while it has not answered, and BadRecord for an unusable schema.
        """
        with self._changed:
            self._want(schema_id)
            if schema_id not in self._answers and self._may_wait():
                self._changed.wait_for(lambda: schema_id in self._answers or self._problem, _GRACE_S)
                self._waited_at = self._clock.monotonic()
            answer = self._answers.get(schema_id)
            if answer is None and self._are_foreign():
                return None
            if answer is None:
                raise RegistryUnavailable(
                    self._problem or f"the Schema Registry has not answered yet what schema {schema_id} is",
                    max(_RETRY_AFTER_MS, self._resume_at - self._clock.monotonic()),
                )
        if answer.problem is not None:
            raise BadRecord(*answer.problem)
        return answer.schema

    def request(self, schema_ids: Iterable[int]) -> None:
        """Have these looked up, as far as they are not known."""
        with self._changed:
            for schema_id in schema_ids:
                self._want(schema_id)

    def _want(self, schema_id: int) -> None:
        answer = self._answers.get(schema_id)
        is_absent = answer is not None and answer.schema is None and answer.problem is None
        if answer is not None and not (is_absent and self._clock.monotonic() >= answer.asked_at + _ABSENT_FOR_MS):
            return
        if self._are_foreign() or len(self._wanted) >= 2 * _MAX_ABSENT_IN_A_ROW:
            return
        self._wanted[schema_id] = None
        if not self._is_started:
            self._is_started = True
            self._start(self._run)
        self._changed.notify_all()

    def _are_foreign(self) -> bool:
        """Return whether ids that are not known are most likely no ids at all."""
        return self._clock.monotonic() < self._foreign_until

    def _may_wait(self) -> bool:
        if self._problem is not None or self._are_foreign():
            return False
        return self._waited_at is None or self._clock.monotonic() >= self._waited_at + _GRACE_INTERVAL_MS

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted)
                pause_ms = self._resume_at - self._clock.monotonic()
                if pause_ms > 0:
                    self._changed.wait(pause_ms / SECOND)
            self.look_up_next()

    def look_up_next(self) -> None:
        """Ask for the id that was wanted first, unless none is, or it is too soon after a failure."""
        with self._changed:
            schema_id = next(iter(self._wanted), None)
            if schema_id is None or self._clock.monotonic() < self._resume_at:
                return
        try:
            found, problem = self._registry.find(schema_id), None
        except RegistryUnavailable as failure:
            self._note_failure(schema_id, str(failure))
            return
        except BadRecord as refusal:
            found, problem = None, ValueProblem(refusal.reason, refusal.error)
        self._note_answer(schema_id, _Answer(found, problem, self._clock.monotonic()))

    def _note_failure(self, schema_id: int, problem: str) -> None:
        with self._changed:
            if schema_id in self._wanted:  # to the end, lest one that always fails keep the others from being asked for
                self._wanted[schema_id] = self._wanted.pop(schema_id)
            self._backoff = min(_LONGEST_BACKOFF_MS, max(_FIRST_BACKOFF_MS, 2 * self._backoff))
            self._resume_at = self._clock.monotonic() + self._backoff
            self._problem = problem
            self._changed.notify_all()
        _log.warning("registry_unavailable", error=problem, retry_in_s=self._backoff // SECOND)

    def _note_answer(self, schema_id: int, answer: _Answer) -> None:
        with self._changed:
            if self._problem is not None:
                _log.info("registry_answers_again")
            self._problem, self._backoff, self._resume_at = None, 0, 0
            if len(self._answers) >= _MAX_ANSWERS:
                self._answers = {key: known for key, known in self._answers.items() if known.schema is not None}
            self._answers[schema_id] = answer
            self._wanted.pop(schema_id, None)
            self._absent_in_a_row = self._absent_in_a_row + 1 if answer.schema is None and not answer.problem else 0
            if self._absent_in_a_row >= _MAX_ABSENT_IN_A_ROW:
                self._absent_in_a_row = 0
                self._foreign_until = self._clock.monotonic() + _PAUSE_FOR_FOREIGN_MS
                self._wanted.clear()
                _log.warning("registry_not_asked", why=f"{_MAX_ABSENT_IN_A_ROW} schema ids in a row were not in it")
            self._changed.notify_all()
