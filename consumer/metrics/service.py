"""Metrics of every process."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge


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
