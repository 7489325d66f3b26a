"""Every metric of Lapse, with what it tells. Labels are names from configuration or closed sets, never user data."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)


class DetectMetrics:
    """What detect has heard, and how far behind it is."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        # Activities applied to the table, by what became of them: applied, unknown_process, clamped (applied, but
        # its time was later than its record's and was set back to it), ignored (an event of a mapped source that
        # concerns no process, or nobody).
        self.events = Counter("lapse_events", "Activities read", ["outcome"], registry=registry)
        # Records that could not be read and went to the dead letters.
        self.dead_letters = Counter("lapse_dead_letters", "Records set aside", ["topic", "reason"], registry=registry)
        # Rows of the table: users in the middle of something, or not yet forgotten.
        self.tracked_keys = Gauge(
            "lapse_tracked_keys", "Tracked (user, process) pairs", ["partition"], registry=registry
        )
        # Wall time minus the partition's clock. Grows with lag; grows for ever when a partition is cut off.
        self.watermark_delay = Gauge(
            "lapse_watermark_delay_seconds", "Wall minus watermark", ["partition"], registry=registry
        )
        # Lapses noticed, by what became of them: asked (a reminder was asked for), expired, skipped (a later step
        # had lapsed too), expired_held (expired while the brake held it back).
        self.lapses = Counter("lapse_lapses", "Lapses noticed", ["process", "step", "outcome"], registry=registry)
        # Records written to the reminders topic.
        self.reminders = Counter("lapse_reminders", "Reminder records", ["process", "step", "kind"], registry=registry)
        # From the moment of the lapse to the record on the reminders topic.
        self.lapse_to_reminder = Histogram(
            "lapse_lapse_to_reminder_seconds", "Lapse to reminder record", buckets=_SECONDS, registry=registry
        )
        # One transaction: outputs, state, offsets.
        self.commit = Histogram("lapse_commit_seconds", "One commit", buckets=_SECONDS, registry=registry)
        # 1 while lapses are held back for this reason: below_floor, below_mean, lapse_storm. Worth an alert.
        self.brake_engaged = Gauge("lapse_brake_engaged", "Lapses are held back", ["reason"], registry=registry)
        # Lapses that wait for the brake.
        self.held_lapses = Gauge("lapse_held_lapses", "Lapses that the brake holds back", registry=registry)
        # Partitions whose clock stands until an operator releases it, since too many records cannot be read.
        self.distrusted_partitions = Gauge(
            "lapse_distrusted_partitions", "Partitions with too many unreadable records", registry=registry
        )
        # Partitions that nobody works on, because their state does not fit. Should be zero; the log says what to do.
        self.refused_partitions = Gauge("lapse_refused_partitions", "Partitions not worked on", registry=registry)
        # Transactions that ended otherwise: aborted (and repeated), fenced.
        self.commit_failures = Counter("lapse_commit_failures", "Commits that failed", ["outcome"], registry=registry)
        # Reading a partition's table back from the state topic.
        self.restore = Histogram(
            "lapse_restore_seconds", "Restore of one partition", buckets=_SECONDS, registry=registry
        )

    def forget_partition(self, number: int) -> None:
        """It is another process's now: what was last seen of it here must not stand for ever."""
        for gauge in (self.tracked_keys, self.watermark_delay):
            gauge.remove(number)


class DeliverMetrics:
    """What was sent, what came of it, and what was not sent and why."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        # Attempts by outcome: accepted, rejected, not_transmitted, unknown.
        self.sends = Counter("lapse_sends", "Attempts", ["outcome", "reason"], registry=registry)
        # Requests that have left and are not answered yet.
        self.sends_in_flight = Gauge("lapse_sends_in_flight", "Requests under way", registry=registry)
        # Every published transition.
        self.statuses = Counter("lapse_statuses", "Reminder transitions", ["medium", "status"], registry=registry)
        # Reminders that were never sent, and why.
        self.suppressions = Counter("lapse_suppressions", "Reminders not sent", ["status", "reason"], registry=registry)
        # Attempts of which nobody knows yet whether they reached anybody. Should be zero.
        self.unknown_sends = Gauge("lapse_unknown_sends", "Attempts with an unknown outcome", registry=registry)
        # Given up on: whether they reached anybody is for an operator to find out (lapse resolve). Should be zero.
        self.unresolved = Gauge("lapse_unresolved", "Reminders that nobody could settle", registry=registry)
        # By 1MSG's list: whether a template can be sent (1) or its reminders wait (0), and whether it counts as
        # marketing (1), which switches the marketing rules on. Not there until the list was seen.
        self.template_usable = Gauge(
            "lapse_template_usable", "Templates that can be sent", ["template", "language"], registry=registry
        )
        self.template_marketing = Gauge(
            "lapse_template_marketing", "Templates that count as marketing", ["template", "language"], registry=registry
        )
        # 1 for what an operator has paused: a process, or * for everything; 0 once it has been resumed.
        self.paused = Gauge("lapse_paused", "What an operator has paused", ["process"], registry=registry)
        # From the lapse to the request leaving.
        self.lapse_to_send = Histogram(
            "lapse_lapse_to_send_seconds", "Lapse to request", buckets=_SECONDS, registry=registry
        )
        # Transitions recorded in the ledger that are not on the topic yet.
        self.outbox_backlog = Gauge("lapse_outbox_backlog", "Transitions not yet published", registry=registry)
        # Webhook bodies by outcome: stored, bad_secret, too_large, unreadable, not_stored.
        self.webhooks = Counter("lapse_webhooks", "Webhook calls", ["outcome"], registry=registry)
        # Reports whose message id is not ours, or not yet.
        self.parked_reports = Gauge("lapse_parked_reports", "Reports without a message", registry=registry)
        # Records that could not be read and went to the dead letters.
        self.dead_letters = Counter(
            "lapse_deliver_dead_letters", "Records set aside", ["topic", "reason"], registry=registry
        )
