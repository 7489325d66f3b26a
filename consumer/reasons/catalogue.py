"""All reasons, in the groups in which they are looked up."""

from collections.abc import Mapping
from dataclasses import dataclass

from consumer.reasons import decisions, records, refusals


@dataclass(frozen=True, slots=True)
class Group:
    """Reasons that belong together; `intro` says where they are seen."""

    title: str
    intro: str
    reasons: Mapping[str, tuple[str, str]]


GROUPS = (
    Group(
        "Suppressed",
        "Status `suppressed`: never sent, final. Metric `lapse_suppressions_total`.",
        decisions.SUPPRESSED,
    ),
    Group(
        "Cancelled",
        "Status `cancelled`: not wanted any more, final. Metric `lapse_suppressions_total`.",
        decisions.CANCELLED,
    ),
    Group(
        "Deferred",
        "Status `deferred`: all checks are asked again at `until`, or as soon as what it waits for is there.",
        decisions.DEFERRED,
    ),
    Group("Accepted and sent", "Statuses `accepted` and `sent`, which mostly have no reason.", decisions.ACCEPTED),
    Group(
        "Unknown",
        "Status `unknown`: the message may have gone out. It is looked for in echoes and the message list, and"
        " never sent again by itself. Metric `lapse_sends_total` with outcome `unknown`.",
        decisions.UNKNOWN,
    ),
    Group("Unresolved", "Status `unresolved`: final until a report or an operator says more.", decisions.UNRESOLVED),
    Group(
        "Not transmitted",
        "Statuses `rejected` and `failed`: the request certainly never left. It is tried again while the reminder"
        " lives. Metric `lapse_sends_total` with outcome `not_transmitted`.",
        refusals.NOT_TRANSMITTED,
    ),
    Group(
        "Refused",
        "Statuses `rejected` and `failed`: 1MSG, Meta or another medium said no, in its answer or by webhook."
        " Metric `lapse_sends_total` with outcome `rejected`.",
        refusals.REFUSED,
    ),
    Group(
        "A stopped channel",
        "Beside the reasons above, in `/readyz` and in the console: why the circuit breaker is open.",
        decisions.CHANNEL,
    ),
    Group("Opt-outs", "On the topic `opt-outs`.", records.OPT_OUTS),
    Group(
        "Dead letters",
        "The header `reason` on the topic `dead-letters`. Metrics `lapse_dead_letters_total`,"
        " `lapse_deliver_dead_letters_total`.",
        records.DEAD_LETTERS,
    ),
    Group("The brake", "Metric `lapse_brake_engaged`, `/readyz`, and the log.", records.BRAKE),
)


_BY_STATUS: Mapping[str, tuple[Mapping[str, tuple[str, str]], ...]] = {
    "suppressed": (decisions.SUPPRESSED,),
    "cancelled": (decisions.CANCELLED,),
    "deferred": (decisions.DEFERRED,),
    "accepted": (decisions.ACCEPTED,),
    "sent": (decisions.ACCEPTED,),
    "unknown": (decisions.UNKNOWN,),
    "unresolved": (decisions.UNRESOLVED,),
    "rejected": (refusals.NOT_TRANSMITTED, refusals.REFUSED),
    "failed": (refusals.NOT_TRANSMITTED, refusals.REFUSED, decisions.SUPPRESSED),
}


def explain(status: str, reason: str | None) -> tuple[str, str]:
    """Return what a reason means beside this status, and what to do; two empty texts where the catalogue lacks it."""
    for group in _BY_STATUS.get(status, ()):
        if reason is not None and reason in group:
            return group[reason]
    return "", ""
