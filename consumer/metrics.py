"""Every metric of Lapse, and what it means. Labels are names from the configuration or closed sets, never user data.

The second argument of each is its help text at /metrics, from which docs/metrics.md is generated.
"""

import numpy as np
import numpy.typing as npt
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)


class BatchHistogram(Histogram):
    """A histogram to which many values can be added at once."""

    def observe_all(self, values: npt.NDArray[np.float64]) -> None:
        """Add all of these, as `observe` would one by one. (It has no labels.)"""
        places = np.searchsorted(self._upper_bounds, values)
        for place, count in enumerate(np.bincount(places, minlength=len(self._buckets)).tolist()):
            self._buckets[place].inc(count)
        self._sum.inc(float(values.sum()))


BREAKER_STATES = ("closed", "half_open", "open")


class ServiceMetrics:
    """What every process has, whichever roles it runs."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.build_info = Gauge(
            "lapse_build_info",
            "Always 1: the version of Lapse, and the roles of the process (detect, deliver, or both with a comma).",
            ["version", "roles"],
            registry=registry,
        )
        self.part_errors = Counter(
            "lapse_part_errors",
            "Rounds that a part of the process has to repeat, by what failed: the ledger, or the broker while something"
            " is published. Worth an alert while it grows.",
            ["part", "cause"],
            registry=registry,
        )


class DetectMetrics:
    """What detect has read, and how far behind it is."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.events = Counter(
            "lapse_events",
            "Activities read, by what became of them: applied, unknown_process, clamped (applied, but further ahead"
            " than detect.clock_doubt allows, and set back), ignored (a mapped event that concerns no process, or"
            " nobody), blank (a tombstone, or an event with an empty user: worth a look if its share rises).",
            ["outcome"],
            registry=registry,
        )
        self.source_paths = Counter(
            "lapse_source_paths",
            "Events by whether something lies at each path of source, whatever they concern. A path that is never found"
            " is wrong, or its producers left the field out.",
            ["path", "found"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "lapse_dead_letters",
            "Activities that could not be read and went to the dead letters.",
            ["topic", "reason"],
            registry=registry,
        )
        self.tracked_keys = Gauge(
            "lapse_tracked_keys",
            "Rows of the table: users in the middle of a process, or not yet forgotten.",
            ["partition"],
            registry=registry,
        )
        self.watermark_delay = Gauge(
            "lapse_watermark_delay_seconds",
            "Wall time minus the partition's watermark (until there is one, the time since the partition was opened)."
            " Grows with lag, without end if the partition is out of reach. Worth an alert.",
            ["partition"],
            registry=registry,
        )
        self.lapses = Counter(
            "lapse_lapses",
            "Lapses by what became of them: asked (a reminder was requested), expired, skipped (a later step"
            " had lapsed too), expired_held (expired while the brake held it back), before_start (lapsed before the"
            " first start, see source.backfill, or before that step was added to remind_after).",
            ["process", "step", "outcome"],
            registry=registry,
        )
        self.reminders = Counter(
            "lapse_reminders", "Records written to the reminders topic.", ["process", "step", "kind"], registry=registry
        )
        self.lapse_to_reminder = BatchHistogram(
            "lapse_lapse_to_reminder_seconds",
            "Time from the lapse to its record on the reminders topic.",
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self.commit = Histogram(
            "lapse_commit_seconds",
            "Duration of one transaction: outputs, state, offsets.",
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self.brake_engaged = Gauge(
            "lapse_brake_engaged",
            "1 while the brake holds lapses back for this reason: below_floor, below_mean, clock_skew, lapse_storm,"
            " warming_up (too little was read to judge the input by). Worth an alert.",
            ["reason"],
            registry=registry,
        )
        self.event_skew = Gauge(
            "lapse_event_skew_seconds",
            "How long after their events records are written: the median of the latest batch. Whole hours are a"
            " forgotten time zone.",
            ["partition"],
            registry=registry,
        )
        self.held_lapses = Gauge("lapse_held_lapses", "Lapses that the brake holds back.", registry=registry)
        self.distrusted_partitions = Gauge(
            "lapse_distrusted_partitions",
            "Partitions whose watermark has stopped until an operator releases it: too many records cannot be read."
            " Should be zero.",
            registry=registry,
        )
        self.refused_partitions = Gauge(
            "lapse_refused_partitions",
            "Partitions left out because their state does not fit; the log says what to do. Should be zero.",
            registry=registry,
        )
        self.commit_failures = Counter(
            "lapse_commit_failures",
            "Transactions that did not commit: aborted (and repeated), fenced.",
            ["outcome"],
            registry=registry,
        )
        self.restore = Histogram(
            "lapse_restore_seconds",
            "Duration of reading one partition's state back from its topic.",
            buckets=_BUCKETS_S,
            registry=registry,
        )

    def forget_partition(self, number: int) -> None:
        """Remove the gauges of a partition that another process has taken over: its last values must not stay."""
        for gauge in (self.tracked_keys, self.watermark_delay, self.event_skew):
            gauge.remove(number)


class DeliverMetrics:
    """What was sent, what became of it, and what was not sent and why."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.sends = Counter(
            "lapse_sends",
            "Attempts to send, by outcome: accepted, rejected, not_transmitted, unknown.",
            ["process", "outcome", "reason"],
            registry=registry,
        )
        self.sends_in_flight = Gauge(
            "lapse_sends_in_flight", "Requests to 1MSG without an answer yet.", registry=registry
        )
        self.statuses = Counter(
            "lapse_statuses",
            "Published status changes of reminders.",
            ["process", "medium", "status"],
            registry=registry,
        )
        self.suppressions = Counter(
            "lapse_suppressions",
            "Reminders that were suppressed or cancelled, by reason.",
            ["process", "status", "reason"],
            registry=registry,
        )
        self.false_positives = Counter(
            "lapse_false_positives",
            "Messages to somebody who had come back, finished or cancelled before they left, as was only read"
            " afterwards. Should not grow.",
            ["process"],
            registry=registry,
        )
        self.circuit_breaker_state = Gauge(
            "lapse_circuit_breaker_state",
            "1 for the state in which a circuit breaker is: closed, open, half_open (the next message is a probe). Of a"
            " channel (its medium) or of a template on it (medium/template/language). Worth an alert while open.",
            ["channel", "state"],
            registry=registry,
        )
        self.oldest_due_reminder = Gauge(
            "lapse_oldest_due_reminder_seconds",
            "How long the reminder has been due that waits longest for its checks, of those that may be looked at now;"
            " 0 if none is. Worth an alert while it grows: deliver does not keep up, or stands still.",
            ["medium"],
            registry=registry,
        )
        self.newest_contact = Gauge(
            "lapse_newest_contact_timestamp_seconds",
            "When the newest record of the contacts topic was written. Missing while the topic is empty or the broker"
            " does not say. Worth an alert if it is old: nobody hears of consent that was withdrawn.",
            registry=registry,
        )
        self.unread_contacts = Gauge(
            "lapse_unread_contacts",
            "Offsets of the contacts topic that are not in the ledger yet. Should be zero most of the time.",
            registry=registry,
        )
        self.unknown_sends = Gauge(
            "lapse_unknown_sends",
            "Attempts whose outcome is still unknown: the message may have been sent. Should be zero.",
            registry=registry,
        )
        self.unresolved = Gauge(
            "lapse_unresolved",
            "Reminders whose outcome Lapse could not find out; an operator must say it (lapse resolve)."
            " Should be zero.",
            registry=registry,
        )
        self.template_usable = Gauge(
            "lapse_template_usable",
            "1 if the template can be sent by 1MSG's list, 0 while its reminders wait. Missing until the list was"
            " read. Worth an alert at 0.",
            ["template", "language"],
            registry=registry,
        )
        self.template_marketing = Gauge(
            "lapse_template_marketing",
            "1 if the template counts as marketing by 1MSG's list: then the rules for marketing apply.",
            ["template", "language"],
            registry=registry,
        )
        self.sending_blocked = Gauge(
            "lapse_sending_blocked",
            "1 while nothing can be sent, for this reason: what 1MSG says of token and channel, an open circuit"
            " breaker, template_unusable (of all of them), or paused (everything); 0 after it has passed. Worth an"
            " alert.",
            ["reason"],
            registry=registry,
        )
        self.paused = Gauge(
            "lapse_paused",
            "1 for what an operator has paused: a process, or * for everything; 0 after it was resumed.",
            ["process"],
            registry=registry,
        )
        self.lapse_to_send = Histogram(
            "lapse_lapse_to_send_seconds",
            "Time from the lapse to the first request to 1MSG; held is yes where a rule had put the reminder off"
            " before (send window, cap, missing contact, pause), so that the time says nothing about us.",
            ["held"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self.unreported = Counter(
            "lapse_unreported",
            "Accepted messages of which no report came within tracking.give_up_after.",
            ["process"],
            registry=registry,
        )
        self.outbox_backlog = Gauge(
            "lapse_outbox_backlog",
            "Records in the ledger that are not published yet, of delivery-status and opt-outs; every replica"
            " says the same number. Worth an alert while it grows.",
            registry=registry,
        )
        self.outbox_refused = Gauge(
            "lapse_outbox_refused",
            "Records in the ledger that were set aside because the broker refuses them. Worth an alert above zero.",
            ["topic"],
            registry=registry,
        )
        self.webhooks = Counter(
            "lapse_webhooks",
            "Webhook bodies by outcome: stored, bad_secret, too_large, unreadable, not_stored.",
            ["outcome"],
            registry=registry,
        )
        self.last_webhook = Gauge(
            "lapse_last_webhook_timestamp_seconds",
            "When this process stored a webhook body last; 0 if it has not yet.",
            registry=registry,
        )
        self.webhook_reports = Counter(
            "lapse_webhook_reports",
            "Status reports by webhook, by outcome: applied, repeated (the reminder has this status already), late"
            " (another came before), unmatched (its message is not ours, or not known yet). Many repeated ones are a"
            " webhook that is registered twice.",
            ["outcome"],
            registry=registry,
        )
        self.parked_reports = Gauge(
            "lapse_parked_reports",
            "Status reports for message ids that are unknown, or not known yet.",
            registry=registry,
        )
        self.dead_letters = Counter(
            "lapse_deliver_dead_letters",
            "Reminders and contacts that could not be read and went to the dead letters.",
            ["topic", "reason"],
            registry=registry,
        )
