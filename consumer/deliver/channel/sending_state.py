"""Whether anything can be sent now, and why not: for health, a gauge and the log.

Finding the reason is pure; `SendingMonitor` tells it, to the log only when it changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from consumer.deliver.channel.circuit_breaker import template_key
from consumer.deliver.channel.template_status import TemplateStatus, TemplateStatuses
from consumer.ledger.schema.rows import ChannelRow
from consumer.metrics import DeliverMetrics
from consumer.onemsg.api_errors import ADVICE, ApiErrorKind
from consumer.onemsg.client import ChannelStatus, OneMsgError
from consumer.onemsg.templates.preflight import RequiredTemplate
from consumer.reasons import decisions, refusals

PAUSED = "paused"

_REASONS = {
    ApiErrorKind.CREDENTIAL: "credential",
    ApiErrorKind.BLOCKED: "channel_blocked",
    ApiErrorKind.NOT_FOUND: "wrong_address",
    ApiErrorKind.REFUSED: "refused",
    ApiErrorKind.UNAVAILABLE: "not_reachable",
    ApiErrorKind.UNREADABLE: "unreadable",
}
"""The words that the circuit breaker has for the same, where it has one."""

_WHAT_TO_DO: Mapping[str, tuple[str, str]] = {**decisions.CHANNEL, **refusals.NOT_TRANSMITTED, **refusals.REFUSED}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SendingProblem:
    """Why nothing can be sent: a reason of docs/reasons.md, and a sentence that says what to do."""

    reason: str
    text: str


def problem_of_call(error: OneMsgError) -> SendingProblem:
    """Return what a call that 1MSG did not answer as it should means for sending."""
    return SendingProblem(_REASONS[error.kind], f"1MSG: {error}: {ADVICE[error.kind]}")


def problem_of_status(status: ChannelStatus) -> SendingProblem | None:
    """Return what the channel's status means for sending; None if it is connected."""
    if status.connected:
        return None
    text = f"the channel is {status.status}: nothing can be sent until it is connected: check it in 1MSG"
    return SendingProblem("not_connected", text)


def problem_of_breaker(breaker: ChannelRow) -> SendingProblem | None:
    """Return why the channel's circuit breaker is open; None if it is closed."""
    if breaker.stopped_because is None:
        return None
    _, advice = _WHAT_TO_DO.get(breaker.stopped_because, ("", "see docs/reasons.md"))
    return SendingProblem(breaker.stopped_because, f"sending is stopped: {breaker.why}: {advice}")


def problem_of_templates(
    required: Sequence[RequiredTemplate], statuses: TemplateStatuses, breakers: Mapping[str, ChannelRow], medium: str
) -> SendingProblem | None:
    """Return why no template can be sent; None if any can."""
    problems = [describe_problem(each, statuses.of(each), breakers, medium) for each in required]
    if not problems or not all(problems):
        return None
    return SendingProblem("template_unusable", "; ".join(filter(None, problems)))


def describe_problem(
    required: RequiredTemplate, status: TemplateStatus, breakers: Mapping[str, ChannelRow], medium: str
) -> str | None:
    """Return what is wrong with a template and what to do; None if nothing is known against it."""
    if problem := status.problem or status.doubt:
        return f"{problem.reason}: {problem.text}: {problem.advice}"
    breaker = breakers.get(template_key(medium, required.name, required.language))
    if breaker is None or breaker.stopped_because is None:
        return None
    _, advice = _WHAT_TO_DO.get(breaker.stopped_because, ("", "see docs/reasons.md"))
    return f"template {required.name} ({required.language}) is refused: {breaker.why}: {advice}"


class SendingMonitor:
    """Shows the present problem as a gauge, and logs one line when it changes."""

    def __init__(self, metrics: DeliverMetrics) -> None:
        self._metrics = metrics
        self._reason: str | None = None

    def report(self, problem: SendingProblem | None) -> None:
        """Take note of the problem; None: messages can be sent."""
        reason = problem.reason if problem else None
        if reason == self._reason:
            return
        if self._reason is not None:
            self._metrics.sending_blocked.labels(self._reason).set(0)
        if problem is None:
            _log.info("sending_possible", after=self._reason)
        else:
            self._metrics.sending_blocked.labels(problem.reason).set(1)
            (_log.info if reason == PAUSED else _log.error)("sending_blocked", reason=reason, advice=problem.text)
        self._reason = reason
