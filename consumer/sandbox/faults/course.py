"""Everything that happens to one valid request, decided from its number: answer, statuses, callbacks. Pure."""

from dataclasses import dataclass
from random import Random

from consumer.sandbox import responses
from consumer.sandbox.channel_state import Message, SendRequest
from consumer.sandbox.faults.fates import Callback, Habits, Step, callbacks_of, fate_of, steps_of
from consumer.sandbox.faults.fault_rates import NO_FAULTS, Faults, draw_faults
from consumer.sandbox.meta_errors import MetaError
from consumer.sandbox.recipients import requested_digits
from consumer.sandbox.responses import REFUSALS, Answer, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseRules:
    """What a course depends on. `fixed_fates`: whether the last digits of a phone number choose its fate."""

    faults: Faults
    habits: Habits
    seed: int
    fixed_fates: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What happens; times in milliseconds. Only an accepted message has `steps` and `callbacks`."""

    answer: Answer
    accepted: bool
    slow: int = 0
    steps: tuple[Step, ...] = ()
    callbacks: tuple[Callback, ...] = ()
    written_back: str | None = None
    """What the person writes back in the end."""
    refusal: Reply


def course_of(send_request: SendRequest, request_number: int, rules: CourseRules) -> Course:
    """Return the course of a request: always the same for the same number, rules and recipient."""
    rng = Random(f"{rules.seed}:life:{request_number}")  # noqa: S311 - repeatable, not secret
    fate, chosen = fate_of(requested_digits(send_request.recipient), rules.habits, rng, fixed=rules.fixed_fates)
    drawn = NO_FAULTS if chosen else draw_faults(rules.faults, request_number)
    answer, accepted = (fate.answer, fate.accepted) if chosen else (drawn.answer, drawn.accepted)
    steps = steps_of(fate, rules.habits.delays, rng) if accepted else ()
    return Course(
        answer=answer,
        accepted=accepted,
        slow=drawn.slow,
        steps=steps,
        callbacks=callbacks_of(fate, steps, drawn, rules.habits.delays[0], rng) if accepted else (),
        written_back=fate.written_back if accepted else None,
        refusal=_refusal(fate.error if chosen else None, drawn.pick),
    )


def reply_of(
    course: Course, send_request: SendRequest, message: Message | None, request_number: int, retry_after: int
) -> Reply | None:
    """Return the answer of a course, or None if the connection is closed instead."""
    if course.answer is Answer.HANGUP:
        return None
    if course.answer is Answer.REFUSED:
        return course.refusal
    if course.answer is Answer.RATE_LIMITED_AFTER:
        return responses.rate_limited(retry_after)
    if message is not None and course.answer in (Answer.OK, Answer.CREATED):
        return responses.accepted(
            message.id, send_request.recipient.chat_as_given, 200 if course.answer is Answer.OK else 201
        )
    return responses.fixed(course.answer, request_number)


def _refusal(error: MetaError | None, pick: float) -> Reply:
    return responses.refused(error) if error else REFUSALS[int(pick * len(REFUSALS))]
