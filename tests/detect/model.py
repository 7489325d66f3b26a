"""ARCHITECTURE.md#lapse-rules once more, one event at a time, with dictionaries: what the columns must agree with."""

from collections.abc import Set
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from consumer.detect.lapse_rules import NEVER, LapseRules, reminder_id
from consumer.records import ActivityKind, Ending, Reminder, ReminderKind, UserActivity

ENDINGS = {ActivityKind.COMPLETED: Ending.COMPLETED, ActivityKind.CANCELLED: Ending.CANCELLED}
Written: TypeAlias = tuple[UserActivity, int]
"""An event, and when its record was written."""
ENDED = {ReminderKind.COMPLETED, ReminderKind.CANCELLED}


@dataclass
class Life:
    """One (user, process)."""

    last_seen: int = NEVER
    closed: int = NEVER
    ending: ActivityKind | None = None
    ending_last: bool = False
    heard: int = NEVER
    action: str | None = None
    passed: int = 0
    """The longest span of the ladder that was asked for, or passed over."""
    asked: tuple[int, int, int] | None = None
    """The `last_seen`, step and span of the latest reminder."""
    told: set[ReminderKind] = field(default_factory=set)


class Model:
    def __init__(self, rules: LapseRules, asked_from: int = NEVER) -> None:
        self.rules = rules
        self.lives: dict[tuple[str, str], Life] = {}
        self.asked_from = asked_from
        self.added: dict[tuple[str, int], int] = {}
        """When each span was added to the ladder of a process."""

    def change_ladders(self, rules: LapseRules, now: int) -> None:
        """Go on under other ladders of the same processes."""
        for process, ladder in rules.ladders.items():
            self.added |= {(process, span): now for span in set(ladder) - set(self.rules.ladders[process])}
        for (_, process), life in self.lives.items():
            life.passed = max((span for span in rules.ladders[process] if span <= life.passed), default=0)
        self.rules = rules

    def hear(self, batch: list[Written], now: int) -> list[Reminder]:
        touched = set()
        for event, written_at in batch:
            if event.process in self.rules.ladders:
                key = (event.user_id, event.process)
                touched.add(key)
                self._hear(self.lives.setdefault(key, Life()), event, written_at)
        return [reminder for key in touched for reminder in self._follow_up(key, now)]

    def _hear(self, life: Life, event: UserActivity, written_at: int) -> None:
        at = event.occurred_at
        if event.kind not in ENDINGS:
            life.heard = max(life.heard, written_at)
        if event.kind in ENDINGS:
            if at > life.closed or (at == life.closed and event.kind is ActivityKind.COMPLETED):
                life.ending_last = life.ending_last or at > life.closed
                life.closed, life.ending = at, event.kind
        elif at > life.last_seen:
            life.last_seen, life.action, life.passed, life.ending_last = at, event.action, 0, False
        elif at == life.last_seen:
            life.action = max(life.action, event.action, key=lambda a: (a is not None, (a or "").encode()))

    def _follow_up(self, key: tuple[str, str], now: int) -> list[Reminder]:
        life = self.lives[key]
        if life.asked is None:
            return []
        said = []
        if life.last_seen > life.asked[0] and not life.told:
            said.append(self._reminder(ReminderKind.RETURNED, key, life.last_seen, now))
        if self._outdone(life, life.asked[0]) and not life.told & ENDED:
            assert life.ending is not None
            said.append(self._reminder(ReminderKind(life.ending.value), key, life.closed, now))
        life.told |= {reminder.kind for reminder in said}
        return said

    def notice(
        self, clock: int, now: int, waiting: Set[tuple[str, str]] = frozenset()
    ) -> tuple[list[Reminder], dict[tuple[str, int, str], int]]:
        """Notice lapses, but for those that wait for their turn, or for the brake."""
        asked: list[Reminder] = []
        counts: dict[tuple[str, int, str], int] = {}
        for key, life in list(self.lives.items()):
            if key in waiting:
                assert "asked" in dict(self._notice(replace(life), key, clock)).values(), (
                    f"{key} has nothing to wait for"
                )
                continue
            for step, outcome in self._notice(life, key, clock):
                counts[key[1], step, outcome] = counts.get((key[1], step, outcome), 0) + 1
                if outcome == "asked":
                    span = self.rules.ladders[key[1]][step]
                    life.asked, life.told = (life.last_seen, step, span), set()
                    asked.append(self._reminder(ReminderKind.DUE, key, life.last_seen + span, now, life.action))
            if self._can_be_forgotten(life, clock):
                del self.lives[key]
        return asked, counts

    def _armed(self, life: Life) -> bool:
        return life.last_seen != NEVER and not self._outdone(life, life.last_seen)

    def _outdone(self, life: Life, seen: int) -> bool:
        """Whether the ending counts for more than an activity of this time."""
        within = self.rules.settle if not life.ending_last else max(self.rules.settle, self.rules.clock_doubt)
        return seen - life.closed <= within

    def _notice(self, life: Life, key: tuple[str, str], clock: int) -> list[tuple[int, str]]:
        if not self._armed(life):
            return []
        ladder = self.rules.ladders[key[1]]
        hushed = life.heard + min(self.rules.hush, ladder[0])
        lapsed = [
            step
            for step, wait in enumerate(ladder)
            if wait > life.passed and clock >= max(life.last_seen + wait, hushed) + self.rules.allowed_lateness
        ]
        if not lapsed:
            return []
        life.passed = ladder[lapsed[-1]]
        wanted = [step for step in lapsed if self._is_asked_for(key[1], ladder[step], life.last_seen)]
        chosen = wanted[-1] if wanted else lapsed[-1]
        late = clock - (life.last_seen + ladder[chosen]) > self.rules.expire_after
        outcome = "expired" if late else "asked" if wanted else "before_start"
        before = [(step, "skipped") for step in lapsed if step < chosen]
        return [*before, (chosen, outcome), *((step, "before_start") for step in lapsed if step > chosen)]

    def _is_asked_for(self, process: str, span: int, last_seen: int) -> bool:
        return last_seen + span >= max(self.asked_from, self.added.get((process, span), NEVER))

    def _can_be_forgotten(self, life: Life, clock: int) -> bool:
        if self._armed(life):
            return clock >= life.last_seen + self.rules.forget_after
        return clock >= max(life.closed, life.last_seen) + self.rules.closed_kept_for

    def _reminder(
        self, kind: ReminderKind, key: tuple[str, str], at: int, now: int, action: str | None = None
    ) -> Reminder:
        asked = self.lives[key].asked
        assert asked is not None
        seen, step, span = asked
        return Reminder(
            reminder_id=reminder_id(*key, seen, span),
            kind=kind,
            user_id=key[0],
            process=key[1],
            step=step,
            action=action,
            last_seen=seen,
            lapsed_at=seen + span,
            occurred_at=at,
            detected_at=now,
        )
