"""Joins reports to the reminders they are about: by message id, and by nothing else (contract fact 5)."""

from collections.abc import Sequence
from dataclasses import dataclass

from consumer.clock import Millis
from consumer.deliver import opt_outs
from consumer.deliver.lifecycle import NoChange, Reported, Source
from consumer.deliver.recording import Book
from consumer.ledger import queries, queries_inbox
from consumer.ledger.queries_inbox import Parked
from consumer.ledger.rows import ReminderRow
from consumer.onemsg.errors import classify
from consumer.onemsg.outcomes import Remedy
from consumer.onemsg.reports import Progress, StatusReport


@dataclass(frozen=True, slots=True)
class Heard:
    """A report, who told us, and when."""

    report: StatusReport
    source: Source
    received_at: Millis


def apply(book: Book, heard: Sequence[Heard]) -> list[Heard]:
    """Let the reports happen to their reminders, in order. Returns those whose message is not ours, or not yet."""
    keys = queries.reminders_of_messages(book.connection, {h.report.message_id for h in heard})
    book.fetch(keys.values())
    strangers = []
    for each in heard:
        key = keys.get(each.report.message_id)
        if key is None:
            strangers.append(each)
        elif (row := book.get(key)) is not None and row.message_id == each.report.message_id:
            _tell(book, row, each)
    return strangers


def park(book: Book, strangers: Sequence[Heard]) -> None:
    """Keep reports until their message is known."""
    queries_inbox.park(book.connection, [_parked(each) for each in strangers])


def apply_parked(book: Book, message_ids: Sequence[str]) -> int:
    """Now that these ids are known, let what was said of them early happen. Returns how much that was."""
    parked = queries_inbox.take_parked(book.connection, message_ids)
    apply(book, [_heard(each) for each in parked])
    return len(parked)


def _tell(book: Book, row: ReminderRow, heard: Heard) -> None:
    report = heard.report
    at = heard.received_at if report.at is None else report.at
    if report.progress is not Progress.FAILED:
        book.tell(row.key, Reported(report.progress, heard.source), at)
        return
    rule = classify(report.error_code, report.error)
    code = rule.code if report.error_code is None else report.error_code
    changes = book.tell(row.key, Reported(report.progress, heard.source, rule.reason, code), at)
    if rule.remedy is Remedy.OPT_OUT and not isinstance(changes, NoChange):  # a repeated one may be long lifted
        opt_outs.keep(book, row, rule.reason, at)


def _parked(heard: Heard) -> Parked:
    report = heard.report
    return Parked(
        report.message_id,
        report.progress.value,
        report.at,
        report.error_code,
        report.error,
        heard.source.value,
        heard.received_at,
    )


def _heard(parked: Parked) -> Heard:
    report = StatusReport(
        message_id=parked.message_id,
        progress=Progress(parked.progress),
        at=parked.at,
        error_code=parked.error_code,
        error=parked.error,
    )
    return Heard(report, Source(parked.source), parked.received_at)
