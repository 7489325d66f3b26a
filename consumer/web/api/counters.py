"""Sums of this process's own metrics that a page shows."""

from collections.abc import Collection

from prometheus_client import CollectorRegistry


class Counters:
    """Reads the registry that `/metrics` shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def watched(self) -> int:
        """Return how many rows detect's table has in this process."""
        return self._sum({"lapse_tracked_keys"})

    def dead_letters(self) -> int:
        """Return how many records were set aside since the process started."""
        return self._sum({"lapse_dead_letters_total", "lapse_deliver_dead_letters_total"})

    def _sum(self, names: Collection[str]) -> int:
        samples = (each for metric in self._registry.collect() for each in metric.samples)
        return int(sum(each.value for each in samples if each.name in names))
