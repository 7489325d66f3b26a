"""Metrics of detect."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from consumer.metrics.histograms import DURATION_BUCKETS_S, BatchHistogram


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
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self.commit = Histogram(
            "lapse_commit_seconds",
            "Duration of one transaction: outputs, state, offsets.",
            buckets=DURATION_BUCKETS_S,
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
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )

    def forget_partition(self, number: int) -> None:
        """Remove the gauges of a partition that another process has taken over: its last values must not stay."""
        for gauge in (self.tracked_keys, self.watermark_delay, self.event_skew):
            gauge.remove(number)
