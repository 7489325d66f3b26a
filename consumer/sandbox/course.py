"""What happens with one valid request, all decided from its number: answer, statuses, callbacks. Pure."""

from dataclasses import dataclass
from random import Random

from consumer.sandbox import answers
from consumer.sandbox.answers import REFUSALS, Answer, Reply
from consumer.sandbox.fates import Call, Habits, Step, calls_of, fate_of, steps_of
from consumer.sandbox.faults import NOTHING_WRONG, Faults, decide
from consumer.sandbox.meta import Failure
from consumer.sandbox.recipients import last_digits
from consumer.sandbox.state import Message, Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What courses are decided by. `fixed_fates`: whether the last digits of a phone number may choose its fate."""

    faults: Faults
    habits: Habits
    seed: int
    fixed_fates: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """`slow`, `steps` and `calls` in milliseconds; without `accepted` there are no steps and no calls."""

    answer: Answer
    accepted: bool
    slow: int = 0
    steps: tuple[Step, ...] = ()
    calls: tuple[Call, ...] = ()
    words: str | None = None
    """What the person writes back in the end."""
    refusal: Reply


def course_of(order: Order, request: int, rules: Rules) -> Course:
    """The course of request number `request`."""
    rng = Random(f"{rules.seed}:life:{request}")  # noqa: S311 - repeatable, not secret
    fate, chosen = fate_of(last_digits(order.recipient), rules.habits, rng, fixed=rules.fixed_fates)
    verdict = NOTHING_WRONG if chosen else decide(rules.faults, request)
    answer, accepted = (fate.answer, fate.accepted) if chosen else (verdict.answer, verdict.accepted)
    steps = steps_of(fate, rules.habits.delays, rng) if accepted else ()
    return Course(
        answer=answer,
        accepted=accepted,
        slow=verdict.slow,
        steps=steps,
        calls=calls_of(fate, steps, verdict, rules.habits.delays[0], rng) if accepted else (),
        words=fate.reply if accepted else None,
        refusal=_refusal(fate.failure if chosen else None, verdict.pick),
    )


def reply_of(course: Course, order: Order, message: Message | None, request: int, retry_after: int) -> Reply | None:
    """The answer of a course; None: hang up instead."""
    if course.answer is Answer.HANGUP:
        return None
    if course.answer is Answer.REFUSED:
        return course.refusal
    if course.answer is Answer.RATE_LIMITED_AFTER:
        return answers.rate_limited(retry_after)
    if message is not None and course.answer in (Answer.OK, Answer.CREATED):
        return answers.accepted(message.id, order.recipient.chat_as_given, 200 if course.answer is Answer.OK else 201)
    return answers.fixed(course.answer, request)


def _refusal(failure: Failure | None, pick: float) -> Reply:
    return answers.refused(failure) if failure else REFUSALS[int(pick * len(REFUSALS))]
