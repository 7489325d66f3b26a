"""Faults by rate and seed: which of them a request gets depends on its number and the seed alone. Pure.

A specification reads `seed=7,slow=0.1,hangup=0.05`. Rates are shares of the valid `sendTemplate` requests, from 0 to 1.

Faults of the answer. A request has at most one of them, so that their sum may not be more than 1:

| name         | the answer                                     | was the message accepted?             |
|--------------|------------------------------------------------|---------------------------------------|
| hangup       | none: the connection is closed                 | yes                                   |
| 5xx          | 502, plain text                                | for every second one, by the seed     |
| queued       | `sent:false` with a `jobId`                    | for every second one, by the seed     |
| html         | 200, but HTML                                  | for every second one, by the seed     |
| no_id        | `sent:true` without an id                      | yes                                   |
| created      | the usual one, but 201                         | yes                                   |
| refuse       | `sent:false` without a `jobId`                 | no                                    |
| string_false | `sent:"false"`                                 | no                                    |
| 429          | 429                                            | no                                    |
| 429_after    | 429 with `Retry-After: <retry_after seconds>`  | no                                    |

Each of these is drawn independently:

| name    | what it does                                                                               |
|---------|--------------------------------------------------------------------------------------------|
| slow    | the answer comes `slow_ms` milliseconds later; a message is accepted before that            |
| dup     | every callback of the message comes twice                                                  |
| reorder | the statuses come in the opposite order                                                    |
| early   | the first status is called back before the answer is given                                 |
| foreign | a callback for a message that nobody sent through this channel comes too                   |
| lost    | one of the callbacks never comes, or none of them does (`hookInfo` still has them)         |

Besides the rates: `seed` (default 0), `slow_ms` (default 1500), `retry_after` (whole seconds, default 1).
"""

from dataclasses import dataclass, field
from difflib import get_close_matches
from random import Random
from typing import Final

from consumer.sandbox.responses import Answer

_ANSWERS: Final = (
    Answer.HANGUP,
    Answer.SERVER_ERROR,
    Answer.QUEUED,
    Answer.HTML,
    Answer.NO_ID,
    Answer.CREATED,
    Answer.REFUSED,
    Answer.STRING_FALSE,
    Answer.RATE_LIMITED,
    Answer.RATE_LIMITED_AFTER,
)
_ACCEPTED: Final = frozenset({Answer.OK, Answer.CREATED, Answer.HANGUP, Answer.NO_ID})
_MAYBE_ACCEPTED: Final = frozenset({Answer.SERVER_ERROR, Answer.QUEUED, Answer.HTML})
_INDEPENDENT: Final = ("slow", "dup", "reorder", "early", "foreign", "lost")
_WHOLE: Final = ("seed", "slow_ms", "retry_after")

RATES: Final[tuple[str, ...]] = (*(answer.value for answer in _ANSWERS), *_INDEPENDENT)
"""The names of all faults."""


class BadFaults(ValueError):
    """The specification cannot be read; the text says what is wrong and which names there are."""


@dataclass(frozen=True, slots=True)
class Faults:
    """A parsed specification. `rates` has only names from `RATES`."""

    rates: dict[str, float] = field(default_factory=dict)
    seed: int = 0
    slow_ms: int = 1500
    retry_after: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFaults:
    """The faults of one request. `pick` (0 ≤ pick < 1) decides any choice that is left."""

    answer: Answer = Answer.OK
    accepted: bool = True
    slow: int = 0
    """Milliseconds."""
    dup: bool = False
    reorder: bool = False
    early: bool = False
    foreign: bool = False
    lost: bool = False
    pick: float = 0.0


NO_FAULTS: Final = DrawnFaults()


def parse(spec: str) -> Faults:
    """Parse a specification; an empty text means no faults. Raises BadFaults."""
    rates: dict[str, float] = {}
    whole: dict[str, int] = {}
    for item in filter(None, (part.strip() for part in spec.split(","))):
        name, found, value = (part.strip() for part in item.partition("="))
        if name in rates or name in whole:
            raise BadFaults(f"{name} is given twice")
        if not found:
            raise BadFaults(f"{item!r} has no value: write name=value")
        if name in _WHOLE:
            whole[name] = _whole_number(name, value)
        elif name in RATES:
            rates[name] = _rate(name, value)
        else:
            raise BadFaults(_unknown(name))
    if sum(rates.get(answer, 0.0) for answer in _ANSWERS) > 1 + 1e-9:
        raise BadFaults(f"the rates of {', '.join(_ANSWERS)} come to more than 1 together")
    return Faults(rates, **whole)


def draw_faults(faults: Faults, request_number: int) -> DrawnFaults:
    """Return the faults of a request. The draws come in a fixed order, whatever the rates are."""
    if not faults.rates:
        return NO_FAULTS
    rng = Random(f"{faults.seed}:{request_number}")  # noqa: S311 - repeatable, not secret
    answer = _answer(faults.rates, rng.random())
    second_one = rng.random() < 0.5
    independent = {name: rng.random() < faults.rates.get(name, 0.0) for name in _INDEPENDENT}
    return DrawnFaults(
        answer=answer,
        accepted=answer in _ACCEPTED or (answer in _MAYBE_ACCEPTED and second_one),
        slow=faults.slow_ms if independent["slow"] else 0,
        dup=independent["dup"],
        reorder=independent["reorder"],
        early=independent["early"],
        foreign=independent["foreign"],
        lost=independent["lost"],
        pick=rng.random(),
    )


def _answer(rates: dict[str, float], draw: float) -> Answer:
    passed = 0.0
    for answer in _ANSWERS:
        passed += rates.get(answer, 0.0)
        if draw < passed:
            return answer
    return Answer.OK


def _rate(name: str, value: str) -> float:
    try:
        rate = float(value)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise BadFaults(f"{name}={value}: a rate is a number from 0 to 1")
    return rate


def _whole_number(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise BadFaults(f"{name}={value}: give a whole number")
    return int(value)


def _unknown(name: str) -> str:
    known = (*RATES, *_WHOLE)
    near = get_close_matches(name, known, n=1)
    hint = f": did you mean {near[0]}?" if near else "."
    return f"there is no fault named {name!r}{hint} Known are: {', '.join(known)}"
