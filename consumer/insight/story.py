"""Why somebody got a message, or did not: what is known about one user, as sentences in the order of time. Pure.

`tell` joins three sources: the user's activities on the topic, what detect's rules make of them, and the ledger's rows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from consumer.clock import Millis
from consumer.deliver.lifecycle import FINAL, Status
from consumer.insight.activity_history import Activity, Replay, Standing
from consumer.insight.check_answers import CheckAnswer, answers
from consumer.ledger.queries.outbox import Transition
from consumer.ledger.queries.reporting.history import AttemptRow
from consumer.ledger.schema.rows import ReminderRow
from consumer.reasons.catalogue import explain
from consumer.records import WHATSAPP, Ending

ShowTime = Callable[[Millis], str]
"""Writes a time on the person's own clock."""

_NOTHING_TO_DO = "Nothing."
_ACTIVITY = {Ending.NONE: "was active", Ending.COMPLETED: "completed it", Ending.CANCELLED: "it was cancelled"}
_WORDS: Mapping[str, str] = {
    Status.PLANNED: "a reminder is due",
    Status.SENDING: "it is being sent",
    Status.SUPPRESSED: "not sent, and will not be",
    Status.CANCELLED: "cancelled",
    Status.DEFERRED: "not sent yet",
    Status.ACCEPTED: "accepted by the provider",
    Status.UNKNOWN: "nobody knows whether it was sent; it is not sent again by itself",
    Status.UNRESOLVED: "it was not found out whether it was sent",
    Status.REJECTED: "refused; certainly not sent",
    Status.SENT: "sent",
    Status.DELIVERED: "delivered",
    Status.READ: "read",
    Status.FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class StoryEntry:
    """One thing that happened, and what to do about it if there is anything."""

    at: Millis
    text: str
    advice: str = ""
    checks: Sequence[CheckAnswer] = ()
    """Of a decision on WhatsApp: each check in order, with its answer."""


@dataclass(frozen=True, slots=True)
class ProcessStory:
    """One process of the user: the answer in a sentence, what happened in order, and what happens next."""

    process: str
    summary: str
    entries: Sequence[StoryEntry]
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything that was found about one user. Times are milliseconds."""

    now: Millis
    reminders: Sequence[ReminderRow] = ()
    attempts: Sequence[AttemptRow] = ()
    transitions: Sequence[Transition] = ()
    activities: Sequence[Activity] | None = None
    """None if the topic was not read."""
    replay: Replay = field(default_factory=Replay)
    watermark: Millis | None = None
    """Up to when detect has read the user's partition, as the ledger knows it."""


def tell(known: Known, processes: Iterable[str], show: ShowTime) -> list[ProcessStory]:
    """Return the story of each process in which anything is known about the user, in the order of `processes`."""
    named = {r.process for r in known.reminders} | {a.process for a in known.activities or ()}
    order = [name for name in processes if name in named]
    return [_tell_process(known, name, show) for name in [*order, *sorted(named.difference(order))]]


def _tell_process(known: Known, process: str, show: ShowTime) -> ProcessStory:
    rows = [row for row in known.reminders if row.process == process]
    standing = next((each for each in known.replay.standings if each.process == process), None)
    entries = [*_activities(known, process), *_lapses(known, process, rows)]
    for row in rows:
        entries += _reminder(known, row, show)
    entries.sort(key=lambda entry: entry.at)
    summary, following = _summary(known, rows, standing, show)
    return ProcessStory(process, summary, entries, following)


def _activities(known: Known, process: str) -> list[StoryEntry]:
    found = []
    for each in known.activities or ():
        if each.process == process:
            apart = abs(each.written_at - each.occurred_at) >= 60_000
            late = f"; its record is dated {span(each.written_at - each.occurred_at, 2)} later" if apart else ""
            action = f" ({each.action})" if each.action and each.ending is Ending.NONE else ""
            found.append(StoryEntry(each.occurred_at, _ACTIVITY[each.ending] + action + late))
    return found


def _lapses(known: Known, process: str, rows: Sequence[ReminderRow]) -> list[StoryEntry]:
    """Return the lapses that detect's rules find in the activities and that the ledger does not know."""
    there = {row.reminder_id for row in rows}
    return [
        StoryEntry(
            each.lapsed_at or each.occurred_at,
            f"step {each.step} lapsed, and the ledger has no reminder {each.reminder_id}",
            "The brake may have held it back (`lapse brake status`), or it lapsed before the first start, or the row is"
            " older than ledger.keep.",
        )
        for each in known.replay.asked
        if each.process == process and each.reminder_id not in there
    ]


def _reminder(known: Known, row: ReminderRow, show: ShowTime) -> list[StoryEntry]:
    label = f"reminder {row.reminder_id[:8]}"
    medium = "" if row.medium == WHATSAPP else f" by {row.medium}"
    entries = []
    if row.lapsed_at is not None:
        quiet = span(row.lapsed_at - row.last_seen, 2)
        entries.append(StoryEntry(row.lapsed_at, f"{label}{medium}: quiet for {quiet} (step {row.step})"))
    mine = [each for each in known.attempts if (each.reminder_id, each.medium) == row.key]
    passed = answers(None) if row.medium == WHATSAPP else ()
    entries += [
        StoryEntry(each.started_at, f"{label}{medium}: attempt {each.number} begins", "", passed) for each in mine
    ]
    errors = {each.number: each.error for each in mine if each.error}
    for change in known.transitions:
        if (change.reminder_id, change.medium) == row.key:
            entries.append(_transition(label + medium, change, errors, show))
    if row.returned_at is not None:
        entries.append(StoryEntry(row.returned_at, f"{label}{medium}: the person came back"))
    if row.completed_at is not None:
        entries.append(StoryEntry(row.completed_at, f"{label}{medium}: the process ended"))
    return entries


def _transition(label: str, change: Transition, errors: Mapping[int, str], show: ShowTime) -> StoryEntry:
    meaning, advice = explain(change.status, change.reason)
    text = f"{label}: {_WORDS.get(change.status, change.status)}"
    if change.until is not None:
        text += f" (checked again at {show(change.until)})"
    if change.reason:
        text += f": {change.reason}" + (f" – {meaning}" if meaning else "")
    if change.error_code is not None:
        text += f" Code {change.error_code}."
    words = errors.get(change.attempt or 0)
    if words and change.status in {Status.REJECTED, Status.FAILED, Status.UNKNOWN}:
        text += f" The provider's words: {words}"
    was_checked = change.medium == WHATSAPP and change.status in {Status.SUPPRESSED, Status.DEFERRED}
    checks = answers(change.reason) if was_checked else ()
    return StoryEntry(change.occurred_at, text, "" if advice == _NOTHING_TO_DO else advice, checks)


def _summary(known: Known, rows: Sequence[ReminderRow], standing: Standing | None, show: ShowTime) -> tuple[str, str]:
    """Return the answer in one sentence, and what happens next."""
    if not rows:
        return _without_reminder(known, standing, show)
    row = max(rows, key=lambda each: (each.last_seen, each.step, each.updated_at))
    meaning, _ = explain(row.status, row.reason)
    status = row.status
    answer = _WORDS.get(status, f"its status is {status}, which this version of Lapse does not know")
    summary = f"{answer}: {row.reason} – {meaning}" if row.reason and meaning else answer
    if status == Status.DEFERRED and row.until is not None:
        return summary, f"all checks are made again at {show(row.until)}, or when what it waits for is there"
    if status == Status.UNKNOWN:
        return summary, "Lapse goes on looking for it, until tracking.give_up_after"
    if status in _WORDS and status not in FINAL and status != Status.DEFERRED:
        return summary, "reports of the message are awaited"
    asked = standing is not None and standing.last_seen == row.last_seen and row.step >= (standing.next_step or 0)
    return summary, _next_lapse(None if asked else standing, show)


def _without_reminder(known: Known, standing: Standing | None, show: ShowTime) -> tuple[str, str]:
    if standing is None:
        return "nothing is unfinished that detect would ask about", "nothing"
    if not standing.open:
        closed = "" if standing.closed_at is None else f" at {show(standing.closed_at)}"
        return f"finished or cancelled{closed}: there is nothing to remind of", "nothing, until a new activity"
    if standing.lapses_at is None:
        return "every step has lapsed; the ledger has no reminder of them", "nothing, until a new activity"
    if standing.lapses_at > known.now:
        return "not quiet for long enough yet", _next_lapse(standing, show)
    watermark = "not known" if known.watermark is None else show(known.watermark)
    return (
        "quiet for long enough, but detect has not asked yet",
        f"detect asks once its watermark ({watermark}) passes {show(standing.lapses_at)}, unless the brake holds it",
    )


def _next_lapse(standing: Standing | None, show: ShowTime) -> str:
    if standing is None or standing.lapses_at is None:
        return "nothing, until a new activity"
    return f"step {standing.next_step} is asked for at {show(standing.lapses_at)}, if nothing more is heard"


def span(milliseconds: Millis, most_units: int = 1) -> str:
    """Return a span in as many of its largest units: 3 min, or 1 d 2 h."""
    rest, parts = abs(milliseconds) // 1000, []
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, seconds)
        if count:
            parts.append(f"{count} {unit}")
    return ("-" if milliseconds < 0 else "") + (" ".join(parts[:most_units]) or "0 s")
