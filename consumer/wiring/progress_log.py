"""Tells the log, in few lines, what the process does: that it is ready, its first message, and sums once a minute.

The sums are differences of the metrics, so their words are those of /metrics and of the topics.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping

import structlog
from prometheus_client.registry import CollectorRegistry
from sqlalchemy import make_url

from consumer.clock import MINUTE, SECOND, Millis, Now
from consumer.config.sections.service import WEBHOOK_PATH
from consumer.config.settings import Settings
from consumer.waiting import wait_for_event
from consumer.web.health import Health

_INTERVAL: Millis = SECOND // 2
_LAPSES, _SENDS, _SUPPRESSIONS = "lapse_lapses_total", "lapse_sends_total", "lapse_suppressions_total"
_ACCEPTED = "accepted"
_log = structlog.get_logger()


class ProgressLog:
    """Looks at health and metrics twice a second. `now` is a monotonic clock."""

    def __init__(self, health: Health, registry: CollectorRegistry, now: Now) -> None:
        self.addresses: Mapping[str, str] = {}
        """What `ready` says, by name; to be set before everything has started."""
        self._health = health
        self._registry = registry
        self._now = now
        self._told_at = now()
        self._told = Counter[tuple[str, str]]()
        self._ready = self._sent = False

    async def run(self, ended: asyncio.Event) -> None:
        """Run until told to end."""
        while not ended.is_set():
            self.look()
            await wait_for_event(ended, _INTERVAL)

    def tell_rest(self) -> None:
        """Log what has happened since, at the end of everything."""
        self.look()
        self._tell_sums()

    def look(self) -> None:
        """Log what is new."""
        if not self._ready and all(state.ready for state in self._health.states().values()):
            self._ready = True
            _log.info("ready", **self.addresses)
        if not self._sent and _sums(self._registry)["sent", _ACCEPTED]:
            self._sent = True
            _log.info("first_message_sent")
        if self._now() - self._told_at >= MINUTE:
            self._tell_sums()

    def _tell_sums(self) -> None:
        sums = _sums(self._registry)
        new, seconds = sums - self._told, (self._now() - self._told_at) // SECOND
        self._told, self._told_at = sums, self._now()
        if new:
            lapses, sent, not_sent = ({word: n for (k, word), n in new.items() if k == kind} for kind in _KINDS)
            _log.info("progress", lapses=lapses, sent=sum(sent.values()), not_sent=not_sent, seconds=seconds)


def addresses(settings: Settings, web_url: str, *, delivers: bool) -> dict[str, str]:
    """Return where everything is that the process uses or offers, without secrets. `web_url` is that of the pages."""
    registry, onemsg, web = settings.schema_registry, settings.onemsg, settings.web
    found = {"console": f"{web_url}/", "metrics": f"{web_url}/metrics", "broker": settings.kafka.bootstrap_servers}
    if registry:
        found["registry"] = ", ".join(registry.url)
    if delivers and onemsg:
        found["ledger"] = make_url(settings.ledger.url).render_as_string(hide_password=True)
        found["onemsg"] = onemsg.base_url
        if web.webhook_secret:
            listener = f"http://{web.public.host}:{web.public.port}" if web.public else web_url
            found["webhook"] = f"{(web.public_url or listener).rstrip('/')}{WEBHOOK_PATH}…"
    return found


_KINDS = ("lapses", "sent", "not_sent")


def _sums(registry: CollectorRegistry) -> Counter[tuple[str, str]]:
    """Return how often each thing has happened, by kind and outcome or reason."""
    sums = Counter[tuple[str, str]]()
    for metric in registry.restricted_registry([_LAPSES, _SENDS, _SUPPRESSIONS]).collect():
        for sample in metric.samples:
            if sample.name == _LAPSES:
                sums["lapses", sample.labels["outcome"]] += int(sample.value)
            elif sample.name == _SENDS and sample.labels["outcome"] == _ACCEPTED:
                sums["sent", _ACCEPTED] += int(sample.value)
            elif sample.name in (_SENDS, _SUPPRESSIONS):
                sums["not_sent", sample.labels["reason"]] += int(sample.value)
    return sums
