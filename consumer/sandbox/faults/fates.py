"""What becomes of a message: phone numbers with a fixed fate, and a random fate (by seed) for all others. Pure.

A message to a phone number with one of these endings always meets the same fate, whatever the seed and the faults, so
that a test or a person can choose one. Switch this off (`fixed_fates`) where numbers are counted up, as in a load test.

| ends in | fate                                                                                        |
|---------|---------------------------------------------------------------------------------------------|
| 0001    | accepted, then failed: 131026, not on WhatsApp                                              |
| 0002    | accepted, then failed: 131049, "healthy ecosystem engagement"                               |
| 0003    | accepted, sent, delivered, never read                                                       |
| 0004    | accepted, and no report ever, neither by webhook nor by hookInfo                            |
| 0005    | accepted; no webhook comes, but hookInfo shows sent, delivered, read                        |
| 0006    | accepted, then failed: 130472, "part of an experiment"                                      |
| 0007    | accepted, then failed: 131050, the person stopped marketing                                 |
| 0008    | accepted, sent, read: delivered is skipped                                                  |
| 0009    | accepted, sent, failed (131000), and after that delivered                                   |
| 0010    | accepted, sent, delivered, read, and the person answers STOP                                |
| 0011    | refused: `sent:false`, 131056, pair rate                                                    |
| 0012    | refused: `sent:false`, 131016, service unavailable                                          |
| 0013    | refused: `sent:"false"`, a string                                                           |
| 0014    | refused: `{"response": {"error": …}}`                                                       |
| 0016    | refused: 429                                                                                |
| 0017    | refused: 429 with `Retry-After: 1`                                                          |
| 0018    | refused: `sent:false`, 131050, the person stopped marketing                                 |
| 0021    | unknown: queued with a `jobId`, goes out later                                              |
| 0022    | unknown: queued with a `jobId`, never goes out                                              |
| 0023    | unknown: accepted, then the connection is closed without an answer                          |
| 0024    | unknown: the connection is closed without an answer, and nothing was accepted               |
| 0025    | unknown: 502, yet accepted                                                                  |
| 0026    | unknown: 502, not accepted                                                                  |
| 0027    | unknown: `sent:true` without an id, accepted                                                |
| 0028    | unknown: 200 with HTML, accepted                                                            |
| 0029    | accepted with 201 instead of 200                                                            |
| 0030    | accepted with 201 and without any report                                                    |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from consumer.sandbox.faults.fault_rates import DrawnFaults
from consumer.sandbox.meta_errors import META_ERRORS, MetaError
from consumer.sandbox.responses import Answer

DIGITS: Final = 4
"""How many of a phone number's last digits choose a fate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """`statuses` in order; `error` belongs to the status `failed`, or to a refusal."""

    answer: Answer = Answer.OK
    accepted: bool = True
    statuses: tuple[str, ...] = ("sent", "delivered", "read")
    error: MetaError | None = None
    silent: bool = False
    """No webhook is called."""
    written_back: str | None = None
    """What the person writes back in the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What becomes of messages without a fixed fate. Shares from 0 to 1; `delays` in milliseconds after the answer."""

    delays: tuple[int, int] = (50, 800)
    """The earliest time of the first status, and the latest time of the last one."""
    read: float = 0.75
    failed: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """The message gets `status`, `after` milliseconds after the answer."""

    after: int
    status: str
    error: MetaError | None = None


@dataclass(frozen=True, slots=True)
class Callback:
    """One event for the webhooks, `after` milliseconds after the answer; `kind` is status, echo or foreign."""

    after: int
    kind: str
    step: int = 0
    """For a `status`: the index of the step."""
    early: bool = False
    """It is sent before the answer."""


def _fails(code: int, *statuses: str) -> Fate:
    return Fate(statuses=statuses or ("failed",), error=META_ERRORS[code])


def _refused(answer: Answer, code: int | None = None) -> Fate:
    return Fate(answer=answer, accepted=False, error=META_ERRORS[code] if code else None)


FATES: Final[Mapping[str, Fate]] = {
    "0001": _fails(131026),
    "0002": _fails(131049),
    "0003": Fate(statuses=("sent", "delivered")),
    "0004": Fate(statuses=(), silent=True),
    "0005": Fate(silent=True),
    "0006": _fails(130472),
    "0007": _fails(131050),
    "0008": Fate(statuses=("sent", "read")),
    "0009": _fails(131000, "sent", "failed", "delivered"),
    "0010": Fate(written_back="STOP"),
    "0011": _refused(Answer.REFUSED, 131056),
    "0012": _refused(Answer.REFUSED, 131016),
    "0013": _refused(Answer.STRING_FALSE),
    "0014": _refused(Answer.CALLING_ERROR),
    "0016": _refused(Answer.RATE_LIMITED),
    "0017": _refused(Answer.RATE_LIMITED_AFTER),
    "0018": _refused(Answer.REFUSED, 131050),
    "0021": Fate(answer=Answer.QUEUED),
    "0022": Fate(answer=Answer.QUEUED, accepted=False),
    "0023": Fate(answer=Answer.HANGUP),
    "0024": Fate(answer=Answer.HANGUP, accepted=False),
    "0025": Fate(answer=Answer.SERVER_ERROR),
    "0026": Fate(answer=Answer.SERVER_ERROR, accepted=False),
    "0027": Fate(answer=Answer.NO_ID),
    "0028": Fate(answer=Answer.HTML),
    "0029": Fate(answer=Answer.CREATED),
    "0030": Fate(answer=Answer.CREATED, statuses=(), silent=True),
}

_TROUBLES: Final = (131026, 131049, 130472)


def fate_of(recipient: str, habits: Habits, rng: Random, *, fixed: bool) -> tuple[Fate, bool]:
    """Return the fate of a message to `recipient`, and whether its last digits chose it.

    `fixed`: whether digits may choose. Faults do not change a fate that was chosen so.
    """
    chosen = FATES.get(recipient[-DIGITS:]) if fixed else None
    return (chosen, True) if chosen else (_drawn_fate(habits, rng), False)


def _drawn_fate(habits: Habits, rng: Random) -> Fate:
    if rng.random() < habits.failed:
        return _fails(_TROUBLES[int(rng.random() * len(_TROUBLES))])
    return Fate() if rng.random() < habits.read else Fate(statuses=("sent", "delivered"))


def steps_of(fate: Fate, delays: tuple[int, int], rng: Random) -> tuple[Step, ...]:
    """Return the statuses with their times: each in its own part of the span, with a gap before the next part."""
    first, last = delays
    part = (last - first) / max(1, len(fate.statuses))
    return tuple(
        Step(int(first + part * (index + 0.75 * rng.random())), status, fate.error if status == "failed" else None)
        for index, status in enumerate(fate.statuses)
    )


def callbacks_of(
    fate: Fate, steps: tuple[Step, ...], drawn: DrawnFaults, first: int, rng: Random
) -> tuple[Callback, ...]:
    """Return what the webhooks get, and when: an echo and the steps, changed by the faults in `drawn`.

    `first`: the shortest delay, in milliseconds. The echo comes after half of it, a repetition that much later.
    """
    callbacks: list[Callback] = []
    if not fate.silent:
        callbacks = _echo_and_statuses(steps, drawn, first)
        if drawn.lost:
            callbacks = [] if rng.random() < 0.5 else _without_one(callbacks, rng)
        if drawn.dup:
            callbacks += [Callback(callback.after + first, callback.kind, callback.step) for callback in callbacks]
    if drawn.foreign:
        callbacks.append(Callback(first, "foreign"))
    return tuple(callbacks)


def _echo_and_statuses(steps: tuple[Step, ...], drawn: DrawnFaults, first: int) -> list[Callback]:
    """Return the echo and all steps (in the opposite order with the fault `reorder`)."""
    order = range(len(steps))
    turns = reversed(order) if drawn.reorder else order
    callbacks = [
        Callback(step.after, "status", turn, early=drawn.early and index == 0)
        for index, (step, turn) in enumerate(zip(steps, turns, strict=True))
    ]
    return [Callback(first // 2, "echo"), *callbacks]


def _without_one(callbacks: list[Callback], rng: Random) -> list[Callback]:
    gone = int(rng.random() * len(callbacks))
    return callbacks[:gone] + callbacks[gone + 1 :]
