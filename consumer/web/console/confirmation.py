"""Counts what an action would concern, so that somebody can confirm it with the number before their eyes."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.exceptions import HTTPException

from consumer.ledger.queries.operating.selections import UnresolvedSelection, WaitingSelection
from consumer.web.api.actions import reminders
from consumer.web.api.routes import Views

_FILTERS = ("reason", "reminder", "process", "medium")
_RESOLVING = {"was-sent": "true", "was-not-sent": "false"}
_RESOLVED = {
    "was-sent": (
        "Their messages were sent",
        "They are recorded as sent, and that is their last record.",
        "Record {} as sent",
    ),
    "was-not-sent": (
        "Their messages were not sent",
        "They are planned again and go out if all checks pass. If a message did go out after all, its person gets two.",
        "Try {} again",
    ),
}
"""By action: the heading, what it means, and the button's words with the count."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What is about to be done: a question, the button's words, and the fields of the form that does it."""

    heading: str
    words: str
    button: str
    action: str
    fields: Mapping[str, str]
    count: int


def prepare(views: Views, given: Mapping[str, str]) -> Confirmation:
    """Count. Raises HTTPException 400 if there is no such action. Blocks its thread."""
    action = given.get("action", "")
    filters = {name: value for name in _FILTERS if (value := given.get(name))}
    if action == "cancel":
        which = WaitingSelection(
            until=0,
            reason=filters.get("reason"),
            reminder_id=filters.get("reminder"),
            process=filters.get("process"),
            medium=filters.get("medium"),
        )
        count, until = views.actions.count_cancel(which)
        words = "They will never be sent. This cannot be undone. What is being sent at this moment is left alone."
        fields = {**filters, "until": str(until), "most": str(count)}
        return Confirmation("Cancel unsent reminders", words, f"Cancel {reminders(count)}", "cancel", fields, count)
    if action in _RESOLVING:
        filters.pop("reason", None)
        selection = UnresolvedSelection(
            reminder_id=filters.get("reminder"), process=filters.get("process"), medium=filters.get("medium")
        )
        count, until = views.actions.count_resolve(selection)
        fields = {**filters, "until": str(until), "most": str(count), "sent": _RESOLVING[action]}
        heading, words, button = _RESOLVED[action]
        return Confirmation(heading, words, button.format(f"{count:,}"), "resolve", fields, count)
    raise HTTPException(400, "There is no such action.")
