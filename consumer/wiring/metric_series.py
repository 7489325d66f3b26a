"""Gives every labelled counter its series at the start: one that appears at its first event has no increase then."""

from importlib.metadata import PackageNotFoundError, version

from consumer.activity.field_paths import NATIVE, source_key
from consumer.config.settings import Settings
from consumer.config.types import Role
from consumer.deliver.lifecycle import Status
from consumer.metrics import DeliverMetrics, DetectMetrics, ServiceMetrics
from consumer.reasons import decisions, records, refusals
from consumer.records import EMAIL, WEBHOOK, WHATSAPP, ReminderKind

_EVENT_OUTCOMES = ("applied", "unknown_process", "clamped", "ignored", "blank")
_LAPSE_OUTCOMES = ("asked", "expired", "skipped", "expired_held", "before_start")
_REMINDER_KINDS = (ReminderKind.DUE, ReminderKind.RETURNED, ReminderKind.COMPLETED, ReminderKind.CANCELLED)
_WEBHOOK_OUTCOMES = ("stored", "bad_secret", "too_large", "unreadable", "not_stored")
_REPORT_OUTCOMES = ("applied", "repeated", "late", "unmatched")
_UNPUBLISHED = (Status.PLANNED, Status.SENDING)


def start_service_series(metrics: ServiceMetrics, roles: frozenset[Role]) -> None:
    """Tell what the process is. (Errors are counted by part, and each part gives itself its series.)"""
    try:
        built = version("lapse")
    except PackageNotFoundError:  # run from a tree that was never installed
        built = "unknown"
    metrics.build_info.labels(built, ",".join(sorted(roles))).set(1)


def start_detect_series(metrics: DetectMetrics, settings: Settings) -> None:
    """Give detect's counters their series."""
    for outcome in _EVENT_OUTCOMES:
        metrics.events.labels(outcome)
    for path in settings.source.paths or map(source_key, NATIVE.paths):
        for found in ("yes", "no"):
            metrics.source_paths.labels(path, found)
    for reason in records.DEAD_LETTERS:
        metrics.dead_letters.labels(settings.source.topic, reason)
    for process, section in settings.processes.items():
        for step in range(len(section.remind_after)):
            for outcome in _LAPSE_OUTCOMES:
                metrics.lapses.labels(process, step, outcome)
            for kind in _REMINDER_KINDS:
                metrics.reminders.labels(process, step, kind)
    for outcome in ("aborted", "fenced"):
        metrics.commit_failures.labels(outcome)


def start_deliver_series(metrics: DeliverMetrics, settings: Settings) -> None:
    """Give deliver's counters their series."""
    for process in settings.processes:
        _start_process(metrics, settings, process)
    for held in ("no", "yes"):
        metrics.lapse_to_send.labels(held)
    if settings.web.webhook_secret:  # without one there are no webhooks to miss
        for outcome in _WEBHOOK_OUTCOMES:
            metrics.webhooks.labels(outcome)
    for outcome in _REPORT_OUTCOMES:
        metrics.webhook_reports.labels(outcome)
    for topic in (settings.topics.reminders, settings.topics.contacts):
        for reason in records.DEAD_LETTERS:
            metrics.dead_letters.labels(topic, reason)


def _start_process(metrics: DeliverMetrics, settings: Settings, process: str) -> None:
    metrics.sends.labels(process, "accepted", "")
    for outcome, reasons in (
        ("rejected", refusals.REFUSED),
        ("not_transmitted", refusals.NOT_TRANSMITTED),
        ("unknown", decisions.UNKNOWN),
    ):
        for reason in reasons:
            metrics.sends.labels(process, outcome, reason)
    fallback = settings.fallback
    media = [WHATSAPP, *([EMAIL] if fallback.email else []), *([WEBHOOK] if fallback.webhook else [])]
    for status in Status:
        for medium in media if status not in _UNPUBLISHED else []:
            metrics.statuses.labels(process, medium, status)
    for status, why in ((Status.SUPPRESSED, decisions.SUPPRESSED), (Status.CANCELLED, decisions.CANCELLED)):
        for reason in why:
            metrics.suppressions.labels(process, status, reason)
    metrics.false_positives.labels(process)
    metrics.unreported.labels(process)
