"""Metrics of deliver."""

from collections.abc import Collection

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from consumer.metrics.histograms import DURATION_BUCKETS_S

OTHER_PROCESS = "other"
BREAKER_STATES = ("closed", "half_open", "open")


class DeliverMetrics:
    """What was sent, what became of it, and what was not sent and why."""

    def __init__(self, registry: CollectorRegistry = REGISTRY, processes: Collection[str] | None = None) -> None:
        """`processes` are those that the configuration names; None lets any be a label."""
        self._processes = processes
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
            "Published status changes of reminders. The process is `other` if the configuration does not name it.",
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
        self.rows_set_aside = Counter(
            "lapse_rows_set_aside",
            "Times that a reminder in the ledger was put out of the way of the others because it holds a value which"
            " this version does not expect (the log names it: row_set_aside). Should not grow.",
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
            buckets=DURATION_BUCKETS_S,
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

    def process_label(self, process: str) -> str:
        """Return the label for a reminder's process: whoever writes the topic `reminders` could name very many."""
        return process if self._processes is None or process in self._processes else OTHER_PROCESS
